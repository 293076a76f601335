"""Copies a log from its growing file on a host into a spool, while a client reads it."""

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
_NOTES = {
    "gap": "a part of this log is missing: its file was replaced before all of it could be read",
    "truncated": "a part of this log may be missing: its file was cut short and begins again",
}
_MOVED = "this log continues on another machine; output before this that was not fetched is lost"
_GONE = "the machine is gone; output after this was not fetched and is lost"


class LogPuller:
    """The pull of one log. Of all programs that read it, the one with the lock pulls; the others wait to take over.

    `error` is why the last attempt failed; None while an attempt runs. The pull ends when the log is complete, or
    `idle_s` after the last `touch`; then it may be started again.
    """

    def __init__(self, sources: LogSources, address: LogId, paths: SpoolPaths, idle_s: float) -> None:
        self.paths = paths
        self.error: FlowError | None = None
        self.is_complete = False
        self._sources = sources
        self._address = address
        self._idle_s = idle_s
        self._task: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._retry_requested = asyncio.Event()
        self._failures = 0

    def start(self, on_end: Callable[[], None]) -> None:
        """Starts to pull in the background; calls `on_end` when that has ended."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: on_end())
        self.touch()

    @property
    def is_pulling(self) -> bool:
        """True while the log is pulled. Raises the exception of a pull that failed by a bug."""
        if self.has_failed and self._task is not None:
            self._task.result()
        return self._task is not None and not self._task.done() and not self._task.cancelling()

    @property
    def has_failed(self) -> bool:
        """True if the pull failed by a bug."""
        task = self._task
        return task is not None and task.done() and not task.cancelled() and task.exception() is not None

    def touch(self) -> None:
        """Postpones the end of an idle pull, because a client still reads the log."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._task is not None:
            self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._task.cancel)

    def retry_now(self) -> None:
        """Retries now instead of after the pause."""
        self._retry_requested.set()

    async def end(self) -> None:
        """Ends the pull. Calling it again is safe."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
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
                    self.error, pause_s = error, None  # the user may have refused: wait until a client calls
                except FlowError as error:
                    self.error, pause_s = error, self._next_pause_s()
                except OSError as error:
                    self.error = ProviderError(f"the log can't be kept in {self.paths.lock.parent}: {error.strerror}")
                    pause_s = self._next_pause_s()
                await self._wait_for_retry(pause_s)
        finally:
            if self._idle_timer is not None:
                self._idle_timer.cancel()

    async def _attempt(self, thread: CancellableThread) -> float:
        """Pulls until the log is complete or an error occurs. Returns the seconds until the next attempt."""
        spool = PulledSpool(self.paths)
        try:
            if not await thread.run(spool.open):
                state = await thread.run(read_pull_state, self.paths.state)
                self.is_complete = state is not None and state.is_complete
                return _LOCK_S
            if not spool.state.is_complete:
                if not await self._copy_log(thread, spool):
                    return _POLL_S
                await thread.run(spool.complete)
            self.is_complete = True
            return 0
        finally:
            if not thread.is_stuck:
                spool.close()

    async def _copy_log(self, thread: CancellableThread, spool: PulledSpool) -> bool:
        """Copies the file until its log ends. Returns whether the log is complete."""
        file = await self._find_file()
        if file is None:
            is_over = await self._is_over()
            if is_over and spool.state.inode is not None:
                await thread.run(spool.switch_file, None, _GONE)
            return is_over
        if file.machine != spool.state.machine:
            await thread.run(_change_machine, spool, file.machine)
        async with self._watch_for_end() as over:
            # End after a lost connection: the file may have moved, and another program may reach it.
            pieces = file.host.follow(file.path, spool.offset, spool.state.inode, until=over, reconnect_timeout_s=0)
            async with aclosing(pieces):
                async for piece in pieces:
                    await thread.run(_append_piece, spool, piece)
                    self._failures = 0
        return True

    @asynccontextmanager
    async def _watch_for_end(self) -> AsyncIterator[asyncio.Event]:
        """Returns an event that is set once the host adds nothing more to the log."""
        over = asyncio.Event()

        async def poll() -> None:
            while not await self._is_over():  # noqa: ASYNC110 - the host can only be polled
                await asyncio.sleep(_POLL_S)
            over.set()

        watcher = asyncio.create_task(poll())
        try:
            yield over
        finally:
            watcher.cancel()
            await asyncio.wait((watcher,))
            if not watcher.cancelled():
                watcher.result()

    async def _find_file(self) -> LogFile | None:
        try:
            return await self._sources.find_file(self._address)
        except NotFound:
            return None

    async def _is_over(self) -> bool:
        """Returns whether the log is complete: True if the task is unknown, False if the provider can't be reached."""
        try:
            return await self._sources.is_over(self._address)
        except NotFound:
            return True
        except ProviderError:
            return False

    def _next_pause_s(self) -> float:
        pause_s: float = min(_PAUSE_S * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_S)
        self._failures += 1
        return pause_s * random.uniform(0.5, 1.0)

    async def _wait_for_retry(self, seconds: float | None) -> None:
        self._retry_requested.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._retry_requested.wait()
        except TimeoutError:
            return


def _change_machine(spool: PulledSpool, machine: str) -> None:
    if spool.state.inode is not None:
        spool.switch_file(None, _MOVED)
    spool.move_to(machine)


def _append_piece(spool: PulledSpool, piece: FilePiece) -> None:
    if piece.note:
        spool.switch_file(piece.inode or None, _NOTES.get(piece.note, ""))
    elif piece.inode and spool.state.inode != piece.inode:
        spool.set_inode(piece.inode)
    spool.append(piece.data)
