"""Tunnels to ports of tasks. A task's ports are this machine's, so each tunnel connects two local ports."""

from __future__ import annotations

from flow_core.agent.machine_id import make_new_id
from flow_core.agent.task_exec import find_enterable
from flow_core.agent.tasks import TaskStore
from flow_core.errors import Conflict
from flow_core.providers.contract.access import Tunnel
from flow_core.providers.contract.request_checks import check_port
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.over_ssh.tunnel_reaper import TunnelReaper
from flow_core.providers.this_machine.port_forward import LOOPBACK, PortForward


class LocalTunnels:
    """Tunnels of this process. They end with it."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks
        self._open: dict[str, tuple[Tunnel, PortForward]] = {}
        self._reaper = TunnelReaper(self, self._is_over)

    async def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> Tunnel:
        check_port(remote_port, "remote_port", minimum=1)
        check_port(local_port, "local_port", minimum=0)
        await call_agent(self._check, task_id, node)
        if local_port == remote_port:
            raise Conflict(
                f"local_port: {local_port} is the port of the task itself: connect to it directly, or choose another",
                field="local_port",
            )
        forward = PortForward(LOOPBACK, remote_port)
        await forward.listen(local_port)
        tunnel = Tunnel(make_new_id("tun"), task_id, forward.local_port, remote_port)
        self._open[tunnel.tunnel_id] = (tunnel, forward)
        self._reaper.start()
        return tunnel

    async def list(self, task_id: str | None = None) -> tuple[Tunnel, ...]:
        tunnels = (tunnel for tunnel, _ in self._open.values())
        return tuple(tunnel for tunnel in tunnels if task_id is None or tunnel.task_id == task_id)

    async def close(self, tunnel_id: str) -> None:
        if (entry := self._open.pop(tunnel_id, None)) is not None:
            await entry[1].close()

    async def close_all(self) -> None:
        """Closes every tunnel. Calling it again is safe."""
        await self._reaper.stop()

    def _check(self, task_id: str, node: int) -> None:
        """Checks that the node can be entered. Refuses if it can't."""
        find_enterable(self._tasks.get(task_id), node)

    async def _is_over(self, task_id: str) -> bool:
        return (await call_agent(self._tasks.get, task_id)).report.is_over
