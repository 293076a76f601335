"""The listening socket, always on loopback, and its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from flow_core.emulator.http.connection import Answering, Connection

_HOST = "127.0.0.1"
_MOST_CONNECTIONS = 256


class Server:
    """Serves from `open` until `close`. A handler that fails ends its connection, and `close` raises what it raised."""

    def __init__(self, answering: Answering, now: Callable[[], datetime]) -> None:
        self._answering = answering
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._server: asyncio.Server | None = None

    async def open(self, port: int) -> str:
        """The address; a port of 0 is any that is free. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, _HOST, port)
        return f"http://{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Cuts everybody off. Twice is safe."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        failures, self._failures = self._failures, []
        for failure in failures:
            raise failure

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= _MOST_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(Connection(reader, writer, self._answering, self._now).serve())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
