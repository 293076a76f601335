"""A port of this machine's loopback that leads to a port that this machine can reach."""

from __future__ import annotations

import asyncio
import errno

from flow_core.agent.port_owner import find_listener
from flow_core.errors import Conflict, ProviderError
from flow_core.providers.over_agent.in_process_agent import call_agent

LOOPBACK = "127.0.0.1"
_PIECE = 1 << 16
_CONNECT_S = 10.0


class PortForward:
    """A listening port and its connections."""

    def __init__(self, host: str, port: int) -> None:
        self.local_port = 0
        self.is_closed = False
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, local_port: int) -> None:
        """Opens the port (0: any free one). Raises Conflict, ProviderError."""
        try:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, local_port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                listener = await call_agent(find_listener, local_port)
                raise Conflict(
                    f"local_port: {listener or 'another process'} listens on port {local_port}", field="local_port"
                ) from error
            raise ProviderError(
                f"local_port: {local_port} can't be opened: {error.strerror}", field="local_port"
            ) from error
        self.local_port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Closes the port and its connections. Calling it again is safe."""
        self.is_closed = True
        if self._server is not None:
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
                task_reader, task_writer = await asyncio.open_connection(*self._target)
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
