"""Closes the tunnels of tasks that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from flow_core.errors import NotFound, ProviderError
from flow_core.providers.contract.access import SshTunnelManager

_POLL_S = 1.0


class TunnelReaper:
    """A watcher that closes the tunnels of tasks that have ended, as long as a tunnel is open."""

    def __init__(self, tunnels: SshTunnelManager, is_over: Callable[[str], Awaitable[bool]]) -> None:
        self._tunnels = tunnels
        self._is_over = is_over
        self._watcher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to watch, until no tunnel is open. Calling it again is safe."""
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stops to watch, and closes every tunnel. Calling it again is safe."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
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
            return False  # the provider can't be reached; the next poll retries
