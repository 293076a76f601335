"""The contract's tunnels over SSH: ports of tasks on this machine, known by an id, closed with their task."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.ssh.host import SshHost

if TYPE_CHECKING:
    from flow_core.ssh.forwards import Forward

Reach = Callable[[str, int], Awaitable[tuple[SshHost, str]]]
"""The host through which a node of a task is reached, and the address that the node has seen from there."""


@dataclass(frozen=True, slots=True)
class SshTunnel:
    """An open port of this machine that leads to a task."""

    tunnel_id: str
    task_id: str
    local_port: int
    remote_port: int


class SshTunnels:
    """Fits the contract's SshTunnelManager for any provider that can say how a task is reached."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._open: dict[str, tuple[SshTunnel, Forward]] = {}

    async def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> SshTunnel:
        host, address = await self._reach(task_id, node)
        forward = await host.forward(remote_port, local_port, remote_host=address)
        tunnel = SshTunnel(f"tunnel-{secrets.token_hex(4)}", task_id, forward.local_port, remote_port)
        self._open[tunnel.tunnel_id] = (tunnel, forward)
        return tunnel

    async def list(self, task_id: str | None = None) -> tuple[SshTunnel, ...]:
        living = [tunnel for tunnel, forward in self._open.values() if not forward.is_closed]
        return tuple(tunnel for tunnel in living if task_id in (None, tunnel.task_id))

    async def close(self, tunnel_id: str) -> None:
        found = self._open.pop(tunnel_id, None)
        if found is not None:
            await found[1].close()

    async def close_task(self, task_id: str) -> None:
        """When the task has ended. Twice is safe."""
        for tunnel in await self.list(task_id):
            await self.close(tunnel.tunnel_id)
