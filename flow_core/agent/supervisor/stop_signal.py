"""The reasons to stop a task early: a cancel order, a signal to its supervisor, its time limit, its deletion."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Set
from pathlib import Path

from flow_core.agent.cancel import CANCEL, CANCEL_AT_ONCE
from flow_core.agent.file_systems import is_certainly_local
from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, read_json
from flow_core.agent.supervisor.state_writer import TaskOutcome

_DISK_FULL_PAUSE_S, _DELETION_CHECK_S = 0.5, 30.0


class StopSignal:
    """The receiver of the stop signals of one task; a signal ends `wait`."""

    def __init__(self, task: TaskFolder) -> None:
        self._task = task
        self._has_term_signal = self._has_cancel_signal = self._has_force_signal = False
        self._deadline: float | None = None
        self._deletion = DeletionWatch(task.path, _read_certain_after_s())
        self._max_hours = 0.0
        self._wake, self._wake_write = os.pipe()
        self._poll = select.poll()  # select() doesn't support descriptors from 1024 on
        self._poll.register(self._wake, select.POLLIN)
        self._watched: set[int] = set()

    def listen(self) -> None:
        """Installs the signal handlers. Call it once, in the main thread."""
        for fd in (self._wake, self._wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        for number in (CANCEL, CANCEL_AT_ONCE):
            signal.signal(number, self._on_cancel)
        # Any handler works: the end of a child must wake this process.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def set_time_limit(self, hours: float | None) -> None:
        """Sets the time limit, counted from now; None or 0 is no limit."""
        if hours:
            self._max_hours, self._deadline = hours, time.monotonic() + hours * 3600

    @property
    def is_set(self) -> bool:
        """Whether a signal arrived, the time limit is over, or the folder was deleted."""
        is_past_deadline = self._deadline is not None and time.monotonic() >= self._deadline
        return self._has_term_signal or self._has_cancel_signal or is_past_deadline or self.is_deleted

    @property
    def is_deleted(self) -> bool:
        """Whether the task's folder was deleted, so that no client can request the task."""
        return self._deletion.is_certain

    @property
    def is_cancelled(self) -> bool:
        """Whether there was a cancel signal or a cancel order on disk."""
        return self._has_cancel_signal or self._task.cancel.exists()

    @property
    def must_stop(self) -> bool:
        """Whether nothing may be started any more. Unlike `is_set` this also reads the cancel order on disk."""
        return self.is_set or self.is_cancelled

    @property
    def remaining_s(self) -> float:
        """The time until `must_stop` must be read again, even without a signal."""
        check_in_s = self._deletion.check_in_s
        return check_in_s if self._deadline is None else min(check_in_s, max(0.0, self._deadline - time.monotonic()))

    def is_urgent(self) -> bool:
        """Returns whether the task was cancelled and must end immediately."""
        return self._has_force_signal or is_forced_cancel(self._task)

    def wait(self, fds: Set[int], timeout_s: float | None) -> list[int]:
        """Waits for a signal, the timeout or a readable descriptor; returns the readable descriptors.

        The list is empty if a signal or the timeout came first.
        """
        if self._watched != fds:
            self._watch(set(fds))
        # Round up to a whole millisecond: rounding down would make the last part of one a busy loop.
        found = self._poll.poll(None if timeout_s is None else -int(-timeout_s * 1000 // 1))
        ready = [fd for fd, _ in found if fd != self._wake]
        if len(ready) != len(found):
            drain(self._wake)
        return ready

    def wait_for_room(self) -> bool:
        """Waits a moment while the disk is full; returns False once the task must stop."""
        self.wait(set(), _DISK_FULL_PAUSE_S)
        return not self.must_stop

    def build_outcome(self, exit_code: int | None = None, message: str = "") -> TaskOutcome:
        """Returns the outcome of a task that was stopped; `message` is that of its main process."""
        if self.is_cancelled:
            return TaskOutcome("cancelled", exit_code, message, was_stopped=True)
        if self.is_deleted:
            return TaskOutcome("failed", exit_code, "stopped: its folder was deleted", was_stopped=True)
        if self._has_term_signal:
            why = "its supervisor was ended by a signal, as in a shutdown of the machine"
            return TaskOutcome("failed", exit_code, f"stopped: {why}", was_stopped=True)
        limit_text = f"stopped after {self._max_hours:g} h (max_run_time_hours)"
        return TaskOutcome("failed", exit_code, limit_text, was_stopped=True)

    def _watch(self, fds: set[int]) -> None:
        for fd in self._watched - fds:
            self._poll.unregister(fd)
        for fd in fds - self._watched:
            self._poll.register(fd, select.POLLIN)
        self._watched = fds

    def _on_stop(self, number: int, frame: object) -> None:
        self._has_term_signal = True

    def _on_cancel(self, number: int, frame: object) -> None:
        self._has_cancel_signal = True
        self._has_force_signal = self._has_force_signal or number == CANCEL_AT_ONCE


def is_forced_cancel(task: TaskFolder) -> bool:
    """Returns whether the task was cancelled and must end immediately."""
    try:
        return bool((read_json(task.cancel) or {}).get("force"))
    except (MalformedRecord, OSError):
        return False


def drain(fd: int) -> None:
    """Discards the pending bytes of the descriptor, at most 4096. Never blocks on a non-blocking descriptor."""
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        pass  # another reader has read it


class DeletionWatch:
    """A watch that detects with certainty that a task's folder was deleted: then no client can request the task again.

    The folder counts as deleted once its open descriptor had no link in two checks, with enough time between them. An
    error is no proof: a disk may come back, and a file server may have restarted.
    """

    def __init__(self, folder: Path, certain_after_s: float) -> None:
        self._certain_after_s = certain_after_s
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_local = is_certainly_local(folder)
        self._checked_at = time.monotonic()
        self._missing_since: float | None = None
        self._is_certain = False

    @property
    def check_in_s(self) -> float:
        """The time until `is_certain` must be read again."""
        interval_s = _DELETION_CHECK_S if self._missing_since is None else self._certain_after_s
        return max(0.0, self._checked_at + min(interval_s, self._certain_after_s) - time.monotonic())

    @property
    def is_certain(self) -> bool:
        """Whether the folder was deleted; False on file systems that may be remote."""
        if self._is_local and not self._is_certain and not self.check_in_s:
            self._check()
        return self._is_certain

    def _check(self) -> None:
        self._checked_at = time.monotonic()
        try:
            is_missing = os.fstat(self._fd).st_nlink == 0
        except OSError:
            is_missing = False
        if not is_missing:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = self._checked_at
        else:
            self._is_certain = self._checked_at - self._missing_since >= self._certain_after_s


def _read_certain_after_s() -> float:
    """Returns the time for which a folder must be missing before it counts as deleted."""
    try:
        return float(os.environ["FLOW_LOCAL_DELETED_S"])
    except (KeyError, ValueError):
        return 60.0
