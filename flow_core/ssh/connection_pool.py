"""The connections to one host: opened when first needed, shared, closed when nobody uses them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

import asyncssh

from flow_core.errors import AuthError, FlowError, ProviderError, Unreachable
from flow_core.pausable_timeout import PausableTimeout
from flow_core.ssh import failures
from flow_core.ssh.connection import Connection, connect
from flow_core.ssh.identities import Keyring
from flow_core.ssh.login_wait import LoginWait
from flow_core.ssh.prompter import Prompter
from flow_core.ssh.settings import HostSettings

_MOST_LINES = 4
_WAIT_S = 120.0
_IDLE_S = 60.0
_MOST_REFUSALS = 200
_MOMENT_S = 0.05
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_FULL = {
    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
    asyncssh.OPEN_CONNECT_FAILED,  # how OpenSSH says that there are MaxSessions already
    asyncssh.OPEN_RESOURCE_SHORTAGE,
}
_T = TypeVar("_T")
Opener = Callable[[asyncssh.SSHClientConnection], Awaitable[_T]]


class _PooledConnection:
    """One shared connection. `most` is how many sessions the server allows on it, once it has refused one more."""

    def __init__(self, link: Connection) -> None:
        self.link = link
        self.in_use = 0
        self.most: int | None = None
        self.has_served = False
        self.idle: asyncio.TimerHandle | None = None

    @property
    def has_room(self) -> bool:
        return not self.link.is_lost and (self.most is None or self.in_use < self.most)


class ConnectionPool:
    """Sessions on one host. A second connection, and up to four, is opened when the server allows no more on one."""

    def __init__(self, settings: HostSettings, person: Prompter | None, keyring: Keyring) -> None:
        self._settings = settings
        self._patience = PausableTimeout(person)
        self._has_prompted = False
        self._keyring = keyring
        self._lines: list[_PooledConnection] = []
        self._freed = asyncio.Condition()
        self._dialling: asyncio.Task[None] | None = None
        self._waiting = 0
        self._failures = 0
        self._not_before = 0.0
        self._is_closed = False
        self._endings: list[Callable[[], Awaitable[None]]] = []

    @property
    def count(self) -> int:
        """Connections that are open."""
        return sum(not line.link.is_lost for line in self._lines)

    def deadline(self, timeout_s: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """For whoever waits for a connection and for what is done on it; a person who is asked may think."""
        return self._patience.deadline(timeout_s)

    def waiting(self, what: str) -> LoginWait:
        """For what the host may do as slowly as it likes. `what` completes "waiting for gpu1 ..."."""
        return LoginWait(self._settings, self._patience, what)

    async def has_prompted(self) -> bool:
        """Whether a person has had to answer for one of the connections, the one that is being made included."""
        if self._dialling is not None:
            await asyncio.wait((self._dialling,))
        return self._has_prompted

    def adopt(self, link: Connection) -> None:
        """Shares a connection that was made elsewhere: a person had to answer for it."""
        self._has_prompted = True
        line = _PooledConnection(link)
        self._lines.append(line)
        self._wind_clock(line)

    @asynccontextmanager
    async def session(self, opener: Opener[_T]) -> AsyncIterator[_T]:
        """What `opener` makes on one of the connections; counted against the server's limit until the end."""
        line, opened = await self._open(opener)
        try:
            yield opened
        finally:
            await self._release(line)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A connection for what is no session, such as forwards. It stays open until the end."""
        line = next((line for line in self._lines if not line.link.is_lost), None)
        while line is None:
            await self._another()
            line = next((line for line in self._lines if not line.link.is_lost), None)
        _hold(line)
        try:
            yield line.link.connection
        finally:
            await self._release(line)

    @contextmanager
    def ending(self, end: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """Has `end` called before the connections are closed under what still runs."""
        self._endings.append(end)
        try:
            yield
        finally:
            self._endings.remove(end)

    async def close(self) -> None:
        """Ends everything that still runs. Twice is safe."""
        await asyncio.gather(*(end() for end in self._endings))
        self._is_closed = True
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait((self._dialling,))
        lines, self._lines = self._lines, []
        for line in lines:
            _stop_clock(line)
            await line.link.close()
        async with self._freed:
            self._freed.notify_all()

    async def _open(self, opener: Opener[_T]) -> tuple[_PooledConnection, _T]:
        for _ in range(_MOST_REFUSALS):
            line = await self._with_room()
            _hold(line)
            try:
                opened = await self.waiting("to open a session").run(_opened(opener, line.link.connection))
            except BaseException as error:
                await self._release(line)
                if not isinstance(error, Exception):
                    raise
                self._judge(line, error)
                if not line.in_use:
                    await asyncio.sleep(_MOMENT_S)  # the server still counts those that have just ended
                continue
            line.has_served = True
            return line, opened
        raise Unreachable(f"{self._settings.alias!r} goes on refusing sessions; it may allow too few at once")

    def _judge(self, line: _PooledConnection, error: Exception) -> None:
        """Returns where another connection may do better."""
        if isinstance(error, asyncssh.ChannelOpenError):
            if line.link.is_lost:
                return  # it was lost before anything was asked of it
            if error.code in _FULL and (line.in_use or line.has_served):
                line.most = max(line.in_use, 1)  # each refusal brings it nearer to what the server allows
                return
            raise ProviderError(f"{self._settings.alias!r} allows no session: {error.reason!r}") from error
        if isinstance(error, AuthError | Unreachable) and not line.in_use:
            line.link.hang_up()  # it let us wait too long
        if isinstance(error, (OSError, asyncssh.Error)):
            raise failures.lost(self._settings, "a session was opened") from error
        raise error

    async def _with_room(self) -> _PooledConnection:
        """A connection that may have room. Raises Unreachable after two minutes of waiting for one."""
        while True:
            self.forget_lost()
            line = next((line for line in self._lines if line.has_room), None)
            if line is not None:
                return line
            if len(self._lines) < _MOST_LINES:
                await self._another()
                continue
            try:
                async with asyncio.timeout(_WAIT_S), self._freed:
                    await self._freed.wait()
            except TimeoutError:
                raise Unreachable(
                    f"{self._settings.alias!r} allows no more sessions at once; none ended in {_WAIT_S:g} s"
                ) from None

    async def _another(self) -> None:
        """One more connection, dialled once for everybody who waits, and given up when nobody does any more."""
        if self._is_closed:
            raise Unreachable(f"the connections to {self._settings.alias!r} are closed")
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())
        dialling = self._dialling
        self._waiting += 1
        try:
            await asyncio.shield(dialling)
        except asyncio.CancelledError:
            if dialling.cancelled() and self._is_closed:
                raise Unreachable(f"the connections to {self._settings.alias!r} are closed") from None
            raise
        finally:
            self._waiting -= 1
            if not self._waiting and not dialling.done():
                dialling.cancel()
                self._dialling = None

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        try:
            link = await connect(self._settings, self._patience, self._keyring, self.forget_lost)
        except FlowError:
            pause = min(_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 10)
            self._not_before = loop.time() + pause * random.uniform(0.5, 1.0)
            raise
        self._failures = 0
        self._has_prompted = self._has_prompted or link.has_prompted
        line = _PooledConnection(link)
        self._lines.append(line)
        self._wind_clock(line)

    async def _release(self, line: _PooledConnection) -> None:
        line.in_use -= 1
        if not line.in_use:
            line.most = None  # found out anew: it may have been refused for sessions that were about to end
        self._wind_clock(line)
        async with self._freed:
            self._freed.notify_all()

    def _wind_clock(self, line: _PooledConnection) -> None:
        """A connection for which a person had to answer stays: the next one would ask them again."""
        if not line.in_use and not self._is_closed and not line.link.has_prompted:
            line.idle = asyncio.get_running_loop().call_later(_IDLE_S, line.link.hang_up)

    def forget_lost(self) -> None:
        """Drops the connections that are lost."""
        for line in [line for line in self._lines if line.link.is_lost]:
            self._lines.remove(line)
            _stop_clock(line)
            line.link.hang_up()  # the jump hosts' connections, which nobody needs any more


async def _opened(opener: Opener[_T], connection: asyncssh.SSHClientConnection) -> _T:
    return await opener(connection)


def _hold(line: _PooledConnection) -> None:
    line.in_use += 1
    _stop_clock(line)


def _stop_clock(line: _PooledConnection) -> None:
    if line.idle is not None:
        line.idle.cancel()
        line.idle = None
