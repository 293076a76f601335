"""Forwarded ports in both directions. They stay open across reconnects."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from typing import cast

import asyncssh

from flow_core.errors import Conflict, FlowError
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.relay import Relays, relay
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.stream import ChannelStream

_LOOPBACK = "127.0.0.1"
_OPEN_S = 20.0
_PAUSE_S = 0.5
_MAX_PAUSE_S = 8.0


class Forwards:
    """The open forwards of one host."""

    def __init__(self, pool: ConnectionPool, settings: HostSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._open: list[Forward | RemoteForward] = []

    @property
    def all(self) -> tuple[Forward | RemoteForward, ...]:
        return tuple(forward for forward in self._open if not forward.is_closed)

    async def open(self, remote_port: int, local_port: int, remote_host: str) -> Forward:
        forward = Forward(self._pool, remote_host, remote_port)
        await forward.listen(local_port)
        self._open = [*self.all, forward]
        return forward

    async def open_remote(self, local_port: int, remote_port: int) -> RemoteForward:
        forward = RemoteForward(self._pool, self._settings, local_port)
        await forward.listen(remote_port)
        self._open = [*self.all, forward]
        return forward

    async def close(self) -> None:
        for forward in self.all:
            await forward.close()


class Forward:
    """A port of this machine that leads to a port that the host can reach."""

    def __init__(self, pool: ConnectionPool, remote_host: str, remote_port: int) -> None:
        self.local_port = 0
        self.remote_host = remote_host
        self.remote_port = remote_port
        self.is_closed = False
        self._pool = pool
        self._server: asyncio.Server | None = None
        self._client_tasks: set[asyncio.Task[None]] = set()

    async def listen(self, local_port: int) -> None:
        """Opens the local port. Raises Conflict."""
        try:
            self._server = await asyncio.start_server(self._handle_client, _LOOPBACK, local_port)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Conflict(f"port {local_port} of this machine can't be used: {reason}; choose another") from error
        self.local_port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Closes the port and its connections. Calling it again is safe."""
        self.is_closed = True
        if self._server is not None:
            self._server.close()
        tasks = list(self._client_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._client_tasks.add(task)
            task.add_done_callback(self._client_tasks.discard)
        try:
            # A client gets only a closed connection; the next command reports the reason.
            with suppress(FlowError, asyncssh.Error, OSError, TimeoutError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._pool.connection() as connection:
            async with asyncio.timeout(_OPEN_S):
                _, stream = await connection.create_connection(ChannelStream, self.remote_host, self.remote_port)
            await relay(cast(ChannelStream, stream), reader, writer)


class RemoteForward:
    """A port of the host that leads to a port of this machine. It is opened again after each reconnect."""

    def __init__(self, pool: ConnectionPool, settings: HostSettings, local_port: int) -> None:
        self.local_port = local_port
        self.remote_port = 0
        self.is_closed = False
        self._pool = pool
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    async def listen(self, remote_port: int) -> None:
        """Opens the remote port. Raises Conflict, and the errors of connecting."""
        self.remote_port = remote_port
        first_result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._maintain(first_result))
        try:
            await asyncio.shield(first_result)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes the port. Calling it again is safe."""
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _maintain(self, first_result: asyncio.Future[None]) -> None:
        pause_s = _PAUSE_S
        while True:
            try:
                async with self._pool.connection() as connection:
                    relays = Relays()
                    listener = await self._open_listener(connection, relays)
                    if not first_result.done():
                        first_result.set_result(None)
                    pause_s = _PAUSE_S
                    try:
                        await connection.wait_closed()
                    finally:
                        listener.close()
                        relays.close()
            except FlowError as error:
                if not first_result.done():
                    first_result.set_exception(error)
                    return
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, _MAX_PAUSE_S)

    async def _open_listener(self, connection: asyncssh.SSHClientConnection, relays: Relays) -> asyncssh.SSHListener:
        def connect_back(_host: str, _port: int) -> Awaitable[ChannelStream]:
            return relays.connect_to(_LOOPBACK, self.local_port)

        try:
            async with asyncio.timeout(_OPEN_S):
                listener = await connection.create_server(connect_back, _LOOPBACK, self.remote_port)
        except (asyncssh.ChannelListenError, asyncssh.Error, OSError, TimeoutError) as error:
            raise Conflict(
                f"{self._settings.alias!r} can't open {f'port {self.remote_port}' if self.remote_port else 'a port'};"
                " choose another, or allow TCP forwarding in its sshd"
            ) from error
        self.remote_port = listener.get_port()
        return listener
