"""Tunnels to ports of tasks, over SSH."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from flow_core.providers.contract.access import Tunnel
from flow_core.providers.contract.request_checks import check_port
from flow_core.providers.over_ssh.tunnel_reaper import TunnelReaper

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import HostForward, TaskLocator


class SshTunnels:
    """Tunnels of this process. They survive reconnects and end with their task."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator
        self._open: dict[str, tuple[Tunnel, HostForward]] = {}
        self._reaper = TunnelReaper(self, locator.is_over)

    async def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> Tunnel:
        check_port(remote_port, "remote_port", minimum=1)
        check_port(local_port, "local_port", minimum=0)
        task_node = await self._locator.locate(task_id, node)
        forward = await task_node.host.forward(remote_port, local_port, remote_host=task_node.address)
        tunnel = Tunnel(f"tunnel-{secrets.token_hex(4)}", task_id, forward.local_port, remote_port)
        self._open[tunnel.tunnel_id] = (tunnel, forward)
        self._reaper.start()
        return tunnel

    async def list(self, task_id: str | None = None) -> tuple[Tunnel, ...]:
        open_tunnels = [tunnel for tunnel, forward in self._open.values() if not forward.is_closed]
        return tuple(tunnel for tunnel in open_tunnels if task_id in (None, tunnel.task_id))

    async def close(self, tunnel_id: str) -> None:
        entry = self._open.pop(tunnel_id, None)
        if entry is not None:
            await entry[1].close()

    async def close_all(self) -> None:
        """Closes every tunnel. Calling it again is safe."""
        await self._reaper.stop()
