"""Tunnels to ports of tasks. A task's ports are this machine's, so each tunnel connects two local ports."""

from __future__ import annotations

import asyncio
import errno

from flow_core.agent.machine_id import make_new_id
from flow_core.agent.port_owner import find_listener
from flow_core.agent.task_exec import find_enterable
from flow_core.agent.tasks import TaskStore
from flow_core.errors import Conflict, ProviderError
from flow_core.providers.contract.access import Tunnel
from flow_core.providers.contract.request_checks import check_port
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.over_ssh.tunnel_reaper import TunnelReaper

_HOST = "127.0.0.1"
_PIECE = 1 << 16
_CONNECT_S = 10.0


class LocalTunnels:
    """Tunnels of this process. They end with it."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks
        self._listeners: dict[str, _Listener] = {}
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
        listener = _Listener(remote_port)
        tunnel = Tunnel(make_new_id("tun"), task_id, await listener.open(local_port), remote_port)
        listener.tunnel = tunnel
        self._listeners[tunnel.tunnel_id] = listener
        self._reaper.start()
        return tunnel

    async def list(self, task_id: str | None = None) -> tuple[Tunnel, ...]:
        tunnels = (listener.tunnel for listener in self._listeners.values())
        return tuple(tunnel for tunnel in tunnels if task_id is None or tunnel.task_id == task_id)

    async def close(self, tunnel_id: str) -> None:
        if (listener := self._listeners.pop(tunnel_id, None)) is not None:
            await listener.close()

    async def close_all(self) -> None:
        """Closes every tunnel. Calling it again is safe."""
        await self._reaper.stop()

    def _check(self, task_id: str, node: int) -> None:
        """Checks that the node can be entered. Refuses if it can't."""
        find_enterable(self._tasks.get(task_id), node)

    async def _is_over(self, task_id: str) -> bool:
        return (await call_agent(self._tasks.get, task_id)).report.is_over


class _Listener:
    """A listening port and its connections."""

    tunnel: Tunnel

    def __init__(self, remote_port: int) -> None:
        self._remote_port = remote_port
        self._server: asyncio.Server
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, port: int) -> int:
        """Starts to listen, and returns the port. Raises Conflict, ProviderError."""
        try:
            self._server = await asyncio.start_server(self._accept, _HOST, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                listener = await call_agent(find_listener, port)
                raise Conflict(
                    f"local_port: {listener or 'another process'} listens on port {port}", field="local_port"
                ) from error
            raise ProviderError(f"local_port: {port} can't be opened: {error.strerror}", field="local_port") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            async with asyncio.timeout(_CONNECT_S):
                task_reader, task_writer = await asyncio.open_connection(_HOST, self._remote_port)
            writers.append(task_writer)
            async with asyncio.TaskGroup() as copies:
                copies.create_task(_copy(reader, task_writer))
                copies.create_task(_copy(task_reader, writer))
        except* (OSError, TimeoutError):
            pass  # one end was closed, or nothing listens: close the other
        finally:
            for writer_to_close in writers:
                writer_to_close.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_PIECE):
        target.write(data)
        await target.drain()
    target.write_eof()
