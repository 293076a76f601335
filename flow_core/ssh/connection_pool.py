"""The shared connections to one host: opened on demand, shared by sessions, closed when idle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

import asyncssh

from flow_core.errors import AuthError, FlowError, ProviderError, Unreachable
from flow_core.pausable_timeout import PausableTimeout
from flow_core.prompter import Prompter
from flow_core.ssh import failures
from flow_core.ssh.connection import Connection, connect
from flow_core.ssh.identities import Keyring
from flow_core.ssh.login_wait import LoginWait
from flow_core.ssh.settings import HostSettings

_MAX_CONNECTIONS = 4
_WAIT_S = 120.0
_IDLE_S = 60.0
_MAX_REFUSALS = 200
_REFUSAL_PAUSE_S = 0.05
_PAUSE_S = 0.5
_MAX_PAUSE_S = 8.0
_SESSION_LIMIT_CODES = {
    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
    asyncssh.OPEN_CONNECT_FAILED,  # OpenSSH's code when MaxSessions is reached
    asyncssh.OPEN_RESOURCE_SHORTAGE,
}
_T = TypeVar("_T")
Opener = Callable[[asyncssh.SSHClientConnection], Awaitable[_T]]


class _PooledConnection:
    """One shared connection.

    `session_limit` is the number of sessions that the server allows on it; None until it refuses one.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.in_use = 0
        self.session_limit: int | None = None
        self.has_opened_session = False
        self.idle_timer: asyncio.TimerHandle | None = None

    @property
    def has_room(self) -> bool:
        return not self.connection.is_lost and (self.session_limit is None or self.in_use < self.session_limit)


class ConnectionPool:
    """The sessions on one host. The pool opens up to four connections if the server limits the sessions of each."""

    def __init__(self, settings: HostSettings, prompter: Prompter | None, keyring: Keyring) -> None:
        self._settings = settings
        self._timeout = PausableTimeout(prompter)
        self._has_prompted = False
        self._keyring = keyring
        self._connections: list[_PooledConnection] = []
        self._freed = asyncio.Condition()
        self._connect_task: asyncio.Task[None] | None = None
        self._waiter_count = 0
        self._failures = 0
        self._not_before = 0.0
        self._is_closed = False
        self._close_callbacks: list[Callable[[], Awaitable[None]]] = []

    @property
    def count(self) -> int:
        """The number of open connections."""
        return sum(not pooled.connection.is_lost for pooled in self._connections)

    def deadline(self, timeout_s: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Limits the time for a connection and the work on it. The clock stops while the user answers a prompt."""
        return self._timeout.deadline(timeout_s)

    def make_login_wait(self, what: str) -> LoginWait:
        """Returns a wait for a step that may take as long as a login. `what` completes "waiting for gpu1 ..."."""
        return LoginWait(self._settings, self._timeout, what)

    async def has_prompted(self) -> bool:
        """Returns whether the user had to answer a prompt for a connection.

        Waits for the connection that is being opened.
        """
        if self._connect_task is not None:
            await asyncio.wait((self._connect_task,))
        return self._has_prompted

    def add(self, connection: Connection) -> None:
        """Shares a connection that was opened elsewhere and for which the user answered a prompt."""
        self._has_prompted = True
        pooled = _PooledConnection(connection)
        self._connections.append(pooled)
        self._start_idle_timer(pooled)

    @asynccontextmanager
    async def session(self, opener: Opener[_T]) -> AsyncIterator[_T]:
        """Yields the session that `opener` opens on a connection.

        It counts against the server's session limit until exit.
        """
        pooled, opened = await self._open(opener)
        try:
            yield opened
        finally:
            await self._release(pooled)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """Yields a connection for work that is no session, such as forwards. Keeps the connection open until exit."""
        pooled = next((pooled for pooled in self._connections if not pooled.connection.is_lost), None)
        while pooled is None:
            await self._open_another()
            pooled = next((pooled for pooled in self._connections if not pooled.connection.is_lost), None)
        _acquire(pooled)
        try:
            yield pooled.connection.client
        finally:
            await self._release(pooled)

    @contextmanager
    def call_before_close(self, callback: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """Registers a callback that `close` awaits before it closes the connections."""
        self._close_callbacks.append(callback)
        try:
            yield
        finally:
            self._close_callbacks.remove(callback)

    async def close(self) -> None:
        """Ends everything that still runs. Calling it again is safe."""
        await asyncio.gather(*(callback() for callback in self._close_callbacks))
        self._is_closed = True
        if self._connect_task is not None:
            self._connect_task.cancel()
            await asyncio.wait((self._connect_task,))
        connections, self._connections = self._connections, []
        for pooled in connections:
            _stop_idle_timer(pooled)
            await pooled.connection.close()
        async with self._freed:
            self._freed.notify_all()

    async def _open(self, opener: Opener[_T]) -> tuple[_PooledConnection, _T]:
        for _ in range(_MAX_REFUSALS):
            pooled = await self._find_with_room()
            _acquire(pooled)
            try:
                opened = await self.make_login_wait("to open a session").run(
                    _call_opener(opener, pooled.connection.client)
                )
            except BaseException as error:
                await self._release(pooled)
                if not isinstance(error, Exception):
                    raise
                self._handle_open_error(pooled, error)
                if not pooled.in_use:
                    await asyncio.sleep(_REFUSAL_PAUSE_S)  # the server may still count sessions that have just ended
                continue
            pooled.has_opened_session = True
            return pooled, opened
        raise Unreachable(f"{self._settings.alias!r} keeps refusing sessions; its session limit may be too low")

    def _handle_open_error(self, pooled: _PooledConnection, error: Exception) -> None:
        """Returns if another connection may succeed; otherwise raises."""
        if isinstance(error, asyncssh.ChannelOpenError):
            if pooled.connection.is_lost:
                return  # it was lost before the request was sent
            if error.code in _SESSION_LIMIT_CODES and (pooled.in_use or pooled.has_opened_session):
                pooled.session_limit = max(pooled.in_use, 1)  # approaches the server's limit with each refusal
                return
            raise ProviderError(f"{self._settings.alias!r} allows no session: {error.reason!r}") from error
        if isinstance(error, AuthError | Unreachable) and not pooled.in_use:
            pooled.connection.close_nowait()  # opening the session timed out
        if isinstance(error, (OSError, asyncssh.Error)):
            raise failures.connection_lost_error(self._settings, "a session was opened") from error
        raise error

    async def _find_with_room(self) -> _PooledConnection:
        """Returns a connection that may have room for a session. Raises Unreachable after waiting for two minutes."""
        while True:
            self.drop_lost()
            pooled = next((pooled for pooled in self._connections if pooled.has_room), None)
            if pooled is not None:
                return pooled
            if len(self._connections) < _MAX_CONNECTIONS:
                await self._open_another()
                continue
            try:
                async with asyncio.timeout(_WAIT_S), self._freed:
                    await self._freed.wait()
            except TimeoutError:
                raise Unreachable(
                    f"{self._settings.alias!r} allows no more sessions at once; none ended in {_WAIT_S:g} s"
                ) from None

    async def _open_another(self) -> None:
        """Waits until one more connection is open.

        All waiting callers share one attempt; it is cancelled when none is left.
        """
        if self._is_closed:
            raise Unreachable(f"the connections to {self._settings.alias!r} are closed")
        if self._connect_task is None or self._connect_task.done():
            self._connect_task = asyncio.create_task(self._connect())
        connect_task = self._connect_task
        self._waiter_count += 1
        try:
            await asyncio.shield(connect_task)
        except asyncio.CancelledError:
            if connect_task.cancelled() and self._is_closed:
                raise Unreachable(f"the connections to {self._settings.alias!r} are closed") from None
            raise
        finally:
            self._waiter_count -= 1
            if not self._waiter_count and not connect_task.done():
                connect_task.cancel()
                self._connect_task = None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        try:
            connection = await connect(self._settings, self._timeout, self._keyring, self.drop_lost)
        except FlowError:
            pause = min(_PAUSE_S * 2**self._failures, _MAX_PAUSE_S)
            self._failures = min(self._failures + 1, 10)
            self._not_before = loop.time() + pause * random.uniform(0.5, 1.0)
            raise
        self._failures = 0
        self._has_prompted = self._has_prompted or connection.has_prompted
        pooled = _PooledConnection(connection)
        self._connections.append(pooled)
        self._start_idle_timer(pooled)

    async def _release(self, pooled: _PooledConnection) -> None:
        pooled.in_use -= 1
        if not pooled.in_use:
            pooled.session_limit = None  # learn it again: the refusal may have counted sessions that were ending
        self._start_idle_timer(pooled)
        async with self._freed:
            self._freed.notify_all()

    def _start_idle_timer(self, pooled: _PooledConnection) -> None:
        """Schedules the close of an unused connection.

        Keeps one that needed a prompt: the next login would prompt again.
        """
        if not pooled.in_use and not self._is_closed and not pooled.connection.has_prompted:
            pooled.idle_timer = asyncio.get_running_loop().call_later(_IDLE_S, pooled.connection.close_nowait)

    def drop_lost(self) -> None:
        """Removes the lost connections."""
        for pooled in [pooled for pooled in self._connections if pooled.connection.is_lost]:
            self._connections.remove(pooled)
            _stop_idle_timer(pooled)
            pooled.connection.close_nowait()  # also closes the connections to the jump hosts


async def _call_opener(opener: Opener[_T], connection: asyncssh.SSHClientConnection) -> _T:
    return await opener(connection)


def _acquire(pooled: _PooledConnection) -> None:
    pooled.in_use += 1
    _stop_idle_timer(pooled)


def _stop_idle_timer(pooled: _PooledConnection) -> None:
    if pooled.idle_timer is not None:
        pooled.idle_timer.cancel()
        pooled.idle_timer = None
