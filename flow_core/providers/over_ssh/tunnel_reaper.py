"""Closes the tunnels of tasks that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from flow_core.errors import NotFound, ProviderError
from flow_core.providers.contract.access import SshTunnelManager

_POLL_S = 1.0


class TunnelReaper:
    """Closes the tunnels of tasks that have ended, as long as there are any tunnels."""

    def __init__(self, tunnels: SshTunnelManager, is_over: Callable[[str], Awaitable[bool]]) -> None:
        self._tunnels = tunnels
        self._is_over = is_over
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks on until there is no tunnel. Twice is safe."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stops looking, and closes every tunnel. Twice is safe."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        for tunnel in await self._tunnels.list():
            await self._tunnels.close(tunnel.tunnel_id)

    async def _watch(self) -> None:
        while tunnels := await self._tunnels.list():
            for task_id in {tunnel.task_id for tunnel in tunnels}:
                if await self._has_ended(task_id):
                    for tunnel in await self._tunnels.list(task_id):
                        await self._tunnels.close(tunnel.tunnel_id)
            await asyncio.sleep(_POLL_S)

    async def _has_ended(self, task_id: str) -> bool:
        try:
            return await self._is_over(task_id)
        except NotFound:
            return True
        except ProviderError:
            return False  # nobody answers; the next look tells
