"""A shell on a terminal of a host, over its own connection or a shared one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import asyncssh

from flow_core.errors import ProviderError, Unreachable
from flow_core.ssh import failures
from flow_core.ssh.command import Session
from flow_core.ssh.connection import Connection
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.stream import ChannelStream

_WINDOW = 1 << 18
_WRITE_S = 10.0
_END_S = 2.0


class RemoteShell:
    """A login shell, or one command, on a terminal of the host."""

    def __init__(
        self,
        title: str,
        settings: HostSettings,
        session: Session,
        stack: AsyncExitStack,
    ) -> None:
        self.title = title
        self._settings = settings
        self._connection, channel, stream = session
        self._stack = stack
        self._channel = channel
        self._stream = stream
        self._is_closed = False

    @property
    def is_over(self) -> bool:
        return self._is_closed or self._connection.is_closed()

    async def read(self) -> AsyncIterator[bytes]:
        """Yields the output until the shell ends. Raises Unreachable if the connection is lost."""
        while not self._is_closed:
            try:
                piece = await self._stream.read()
            except failures.CONNECTION_ERRORS as error:
                if self._is_closed:
                    return
                raise failures.connection_lost_error(self._settings, "the shell was open") from error
            if not piece:
                break
            yield piece
        if not self._is_closed and await self._wait_exit_code() is None:
            raise failures.connection_lost_error(self._settings, "the shell was open")

    async def write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_WRITE_S):
                await self._stream.write(data)
        except TimeoutError:
            raise Unreachable("the shell does not read what is typed") from None
        except (*failures.CONNECTION_ERRORS, OSError) as error:
            raise Unreachable("the shell has ended") from error

    async def resize(self, columns: int, rows: int) -> None:
        with suppress(OSError, asyncssh.Error):
            self._channel.change_terminal_size(max(columns, 1), max(rows, 1))

    async def wait(self) -> int:
        """Returns the exit code. Raises Unreachable if the connection is lost before it arrives."""
        code = await self._wait_exit_code()
        if code is None:
            raise failures.connection_lost_error(self._settings, "the shell was open")
        return code

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._channel.get_exit_status() is None:
            with suppress(OSError, asyncssh.Error):
                self._channel.send_signal("HUP")
        self._channel.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._channel.wait_closed()
        await self._stack.aclose()

    async def _wait_exit_code(self) -> int | None:
        await self._channel.wait_closed()
        if (killed := self._channel.get_exit_signal()) is not None:
            return 128 + int(getattr(signal, f"SIG{killed[0]}", 0))
        return self._channel.get_exit_status()


async def open_shell(
    settings: HostSettings,
    pool: ConnectionPool,
    connection: Connection | None,
    columns: int,
    rows: int,
    command: str | None,
    term: str,
) -> RemoteShell:
    """Opens a shell on `connection`, which it then owns, also after a failure; on a shared connection without one."""

    async def start(client: asyncssh.SSHClientConnection) -> Session:
        channel, stream = await client.create_session(
            _Terminal,
            command,
            request_pty="force",
            term_type=term,
            term_size=(max(columns, 1), max(rows, 1)),
            encoding=None,
            window=_WINDOW,
            x11_forwarding="ignore_failure" if settings.forwards_x11 else False,
        )
        return client, channel, cast(ChannelStream, stream)

    async with AsyncExitStack() as stack:
        if connection is None:
            session = await stack.enter_async_context(pool.session(start))
        else:
            stack.push_async_callback(connection.close)
            session = await _open_session(settings, pool, start(connection.client))
        return RemoteShell(settings.alias, settings, session, stack.pop_all())


async def _open_session(settings: HostSettings, pool: ConnectionPool, start: Coroutine[Any, Any, Session]) -> Session:
    try:
        return await pool.make_login_wait("to open a session").run(start)
    except asyncssh.ChannelOpenError as error:
        raise ProviderError(f"{settings.alias!r} refused a terminal: {error.reason!r}") from error
    except (OSError, asyncssh.Error) as error:
        raise failures.connection_lost_error(settings, "a shell was opened") from error


class _Terminal(ChannelStream):
    """A stream that merges stderr, the server's own messages, into the output."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        super().data_received(data, None)
