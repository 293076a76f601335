"""Copies a log from the file in which it grows on its host into a spool, while a client reads it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, FlowError, NotFound, ProviderError
from flow_core.providers.over_ssh.pull_state import SpoolPaths, read_pull_state
from flow_core.providers.over_ssh.pulled_spool import PulledSpool
from flow_core.upload.cancellable_thread import CancellableThread

if TYPE_CHECKING:
    from flow_core.logs.log_id import LogId
    from flow_core.providers.over_ssh.task_nodes import LogFile, LogSources
    from flow_core.ssh.follow import FilePiece

_POLL_S = 0.5
_LOCK_S = 0.25
_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 8.0
_WORDS = {
    "gap": "a part of this log is missing: its file was replaced before all of it could be read",
    "truncated": "a part of this log may be missing: its file was cut short and begins again",
}
_MOVED = "this log goes on on another machine; what it may have said before and was not fetched is lost"
_GONE = "the machine is gone; what this log may have said after this is lost"


class LogPuller:
    """Pulls one log. Of all programs that read it one pulls: the one with the lock. The others wait to take over.

    `error` is why the last attempt failed, None while one runs. It ends when the log is complete, or `idle_s` after
    the last `touch`; then it may be started again.
    """

    def __init__(self, sources: LogSources, address: LogId, paths: SpoolPaths, idle_s: float) -> None:
        self.paths = paths
        self.error: FlowError | None = None
        self.is_complete = False
        self._sources = sources
        self._address = address
        self._idle_s = idle_s
        self._task: asyncio.Task[None] | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._wanted_now = asyncio.Event()
        self._failures = 0

    def start(self, on_end: Callable[[], None]) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: on_end())
        self.touch()

    @property
    def is_going_on(self) -> bool:
        """Raises what it ended with, where that is a bug."""
        if self.has_failed and self._task is not None:
            self._task.result()
        return self._task is not None and not self._task.done() and not self._task.cancelling()

    @property
    def has_failed(self) -> bool:
        task = self._task
        return task is not None and task.done() and not task.cancelled() and task.exception() is not None

    def touch(self) -> None:
        """A client still reads the log; puts off the end of an idle pull."""
        if self._clock is not None:
            self._clock.cancel()
        if self._task is not None:
            self._clock = asyncio.get_running_loop().call_later(self._idle_s, self._task.cancel)

    def hurry(self) -> None:
        """Tries again now rather than after a pause."""
        self._wanted_now.set()

    async def end(self) -> None:
        """Twice is safe."""
        if self._clock is not None:
            self._clock.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        thread = CancellableThread()
        try:
            while not self.is_complete:
                self.error = None
                pause_s: float | None
                try:
                    pause_s = await self._attempt(thread)
                    self._failures = 0
                except AuthError as error:
                    self.error, pause_s = error, None  # a person may have said no: only who asks anew asks them again
                except FlowError as error:
                    self.error, pause_s = error, self._next_pause()
                except OSError as error:
                    self.error = ProviderError(f"the log can't be kept in {self.paths.lock.parent}: {error.strerror}")
                    pause_s = self._next_pause()
                await self._rest(pause_s)
        finally:
            if self._clock is not None:
                self._clock.cancel()

    async def _attempt(self, thread: CancellableThread) -> float:
        """Pulls until the log is complete or something is in the way; for how long to rest then."""
        tail = PulledSpool(self.paths)
        try:
            if not await thread.run(tail.open):
                state = await thread.run(read_pull_state, self.paths.state)
                self.is_complete = state is not None and state.is_complete
                return _LOCK_S
            if not tail.state.is_complete:
                if not await self._drain(thread, tail):
                    return _POLL_S
                await thread.run(tail.complete)
            self.is_complete = True
            return 0
        finally:
            if not thread.is_stuck:
                tail.close()

    async def _drain(self, thread: CancellableThread, tail: PulledSpool) -> bool:
        """Whether that was all."""
        file = await self._file()
        if file is None:
            is_over = await self._is_over()
            if is_over and tail.state.inode is not None:
                await thread.run(tail.turn_to, None, _GONE)
            return is_over
        if file.machine != tail.state.machine:
            await thread.run(_move, tail, file.machine)
        async with self._until_over() as over:
            # After a loss the file may be elsewhere, and another program may have better luck: so it ends then.
            pieces = file.host.follow(file.path, tail.offset, tail.state.inode, until=over, reconnect_timeout_s=0)
            async with aclosing(pieces):
                async for piece in pieces:
                    await thread.run(_take, tail, piece)
                    self._failures = 0
        return True

    @asynccontextmanager
    async def _until_over(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set once the far side adds nothing more."""
        over = asyncio.Event()

        async def look() -> None:
            while not await self._is_over():  # noqa: ASYNC110 - the far side can only be asked
                await asyncio.sleep(_POLL_S)
            over.set()

        looking = asyncio.create_task(look())
        try:
            yield over
        finally:
            looking.cancel()
            await asyncio.wait((looking,))
            if not looking.cancelled():
                looking.result()

    async def _file(self) -> LogFile | None:
        try:
            return await self._sources.file(self._address)
        except NotFound:
            return None

    async def _is_over(self) -> bool:
        """Nobody answering means: not yet. What is no longer known adds nothing."""
        try:
            return await self._sources.is_over(self._address)
        except NotFound:
            return True
        except ProviderError:
            return False

    def _next_pause(self) -> float:
        pause_s: float = min(_PAUSE_S * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_S)
        self._failures += 1
        return pause_s * random.uniform(0.5, 1.0)

    async def _rest(self, seconds: float | None) -> None:
        self._wanted_now.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wanted_now.wait()
        except TimeoutError:
            return


def _move(tail: PulledSpool, machine: str) -> None:
    if tail.state.inode is not None:
        tail.turn_to(None, _MOVED)
    tail.move_to(machine)


def _take(tail: PulledSpool, piece: FilePiece) -> None:
    if piece.note:
        tail.turn_to(piece.inode or None, _WORDS.get(piece.note, ""))
    elif piece.inode and tail.state.inode != piece.inode:
        tail.known_as(piece.inode)
    tail.append(piece.data)
