"""The way to the agent of one host: a process that stays while it is asked now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError, Unreachable
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.hosts.agent_session import Lost, Session, Stalled, started
from flow_core.providers.hosts.bootstrap_payload import archive
from flow_core.providers.hosts.start_failures import PythonUnusable

if TYPE_CHECKING:
    from flow_core.providers.hosts.found_python import FoundPython
    from flow_core.ssh.host import SshHost

_IDLE_S = 90.0
_SHORT_S = 10.0
_MOST_SHORT = 2
_ONE_BY_ONE_S = 300.0  # then a process may stay again, since what ended the others may be over
_TRIES = 2


class AgentLink:
    """Nothing is started before it is asked; after a loss, the next question starts a new process.

    Where the server ends such processes soon after their start, each question gets one of its own.
    """

    def __init__(self, name: str, reach: Callable[[], Awaitable[SshHost]], found: FoundPython) -> None:
        self.greeting: Mapping[str, Any] = {}
        """What the agent said of its machine; empty before it has answered once."""
        self._name = name
        self._reach = reach
        self._found = found
        self._session: Session | None = None
        self._keepers: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[Session] | None = None
        self._short_lives = 0
        self._one_by_one_until = 0.0
        self._is_closed = False

    async def call(self, call: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """Raises Refused, and what `SshHost` and `Session` do. A lost process is asked once more, by a new one."""
        for tried in range(1, _TRIES + 1):
            session: Session | None = None
            try:
                session = await self._living()
                return await session.call(call, arguments, timeout_s)
            except Lost:
                if tried == _TRIES:
                    raise
            finally:
                if session is not None and self._is_one_by_one and session.is_idle:
                    session.leave()
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Twice is safe."""
        self._is_closed = True
        helpers = [*self._keepers, *([] if self._starting is None else [self._starting])]
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)

    @property
    def _is_one_by_one(self) -> bool:
        return time.monotonic() < self._one_by_one_until

    async def _living(self) -> Session:
        session = self._session
        if session is not None and not session.is_lost and not session.is_left:
            return session
        if self._is_closed:
            raise self._closed()
        starting = self._starting
        if starting is None or starting.done():
            starting = self._starting = asyncio.create_task(self._start())
            starting.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(starting)  # one who waits no longer doesn't end it for the others
        except asyncio.CancelledError:
            if starting.cancelled() and not _is_cancelled():
                raise self._closed() from None
            raise

    async def _start(self) -> Session:
        known = await self._found.known()
        await run_blocking(archive)  # a hundred files, read and packed once
        try:
            session = await self._start_with(known)
        except PythonUnusable:
            if known is None:
                raise
            await self._found.forget()
            session = await self._start_with(None)
        except Stalled:
            await self._found.forget()
            raise
        self._session, self.greeting = session, session.greeting
        await self._found.keep(str(session.greeting.get("python", "")))
        return session

    async def _start_with(self, known: str | None) -> Session:
        begun: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        begun.add_done_callback(_retrieve)
        keeper = asyncio.create_task(self._keep(await self._reach(), known, begun))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:
            keeper.cancel()
            raise

    async def _keep(self, host: SshHost, known: str | None, begun: asyncio.Future[Session]) -> None:
        """One process, from its start until it is lost, left, or not asked for a while."""
        try:
            async with started(self._name, host, self._found.setting, known) as session:
                began_at = time.monotonic()
                begun.set_result(session)
                await self._until_over(session)
                self._note_life(session, time.monotonic() - began_at)
        except asyncio.CancelledError:
            begun.cancel()
            raise
        except Exception as error:
            if not begun.done():
                begun.set_exception(error)
            elif not isinstance(error, FlowError):
                raise

    def _note_life(self, session: Session, lived_s: float) -> None:
        if lived_s >= _SHORT_S:
            self._short_lives = 0
        elif not session.is_left:
            self._short_lives += 1
            if self._short_lives >= _MOST_SHORT:
                self._one_by_one_until = time.monotonic() + _ONE_BY_ONE_S

    def _closed(self) -> Unreachable:
        return Unreachable(f"the connections to {self._name!r} are closed")

    async def _until_over(self, session: Session) -> None:
        while not session.is_lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await session.ended()
            if session.is_idle and time.monotonic() - session.asked_at >= _IDLE_S:
                return


def _is_cancelled() -> bool:
    """Whether somebody wants the end of the task that runs this."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _retrieve(future: asyncio.Future[Session]) -> None:
    """Nobody may be left who waits for it."""
    if not future.cancelled():
        future.exception()
