"""Why a task may have to stop early: it was cancelled, its supervisor was told to end, its time is up.

Standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Set

from flow_core.agent.cancel import CANCEL, CANCEL_AT_ONCE
from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, read_json
from flow_core.agent.supervisor.deletion import DeletionWatch, certain_after_s
from flow_core.agent.supervisor.task_state import TaskOutcome

_ROOM_AGAIN_S = 0.5


class StopSignal:
    """Listens for the order to stop, and wakes its owner out of `wait` when a signal comes."""

    def __init__(self, task: TaskFolder) -> None:
        self._task = task
        self._asked = self._cancelled = self._forced = False
        self._deadline: float | None = None
        self._deletion = DeletionWatch(task.path, certain_after_s())
        self._max_hours = 0.0
        self._wake, self._wake_write = os.pipe()
        self._poll = select.poll()  # select() can't look at descriptors from 1024 on
        self._poll.register(self._wake, select.POLLIN)
        self._watched: set[int] = set()

    def listen(self) -> None:
        for fd in (self._wake, self._wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        for number in (CANCEL, CANCEL_AT_ONCE):
            signal.signal(number, self._on_cancel)
        # A handler of any kind, so that the end of a child wakes us.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def limit(self, hours: float | None) -> None:
        """The time that runs from now; None or 0 is no limit."""
        if hours:
            self._max_hours, self._deadline = hours, time.monotonic() + hours * 3600

    @property
    def is_set(self) -> bool:
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        return self._asked or self._cancelled or is_late or self.is_deleted

    @property
    def is_deleted(self) -> bool:
        """True when nobody can ask for the task any more."""
        return self._deletion.is_certain

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled or self._task.cancel.exists()

    @property
    def is_over(self) -> bool:
        """True when nothing may be started any more."""
        return self.is_set or self.is_cancelled

    @property
    def remaining_s(self) -> float:
        """Seconds until `is_over` has to be asked again, though no signal came."""
        look_in_s = self._deletion.check_in_s
        return look_in_s if self._deadline is None else min(look_in_s, max(0.0, self._deadline - time.monotonic()))

    def is_urgent(self) -> bool:
        return self._forced or is_forced_cancel(self._task)

    def wait(self, fds: Set[int], timeout_s: float | None) -> list[int]:
        """Those of the descriptors that can be read; none when a signal or the time came first."""
        if self._watched != fds:
            self._watch(set(fds))
        # Up to a whole millisecond: rounded down, the last part of one would be waited for without rest.
        found = self._poll.poll(None if timeout_s is None else -int(-timeout_s * 1000 // 1))
        ready = [fd for fd, _ in found if fd != self._wake]
        if len(ready) != len(found):
            drain(self._wake)
        return ready

    def wait_for_room(self) -> bool:
        """While output finds no place on a full disk: waits a moment; false once nobody waits for more of it."""
        self.wait(set(), _ROOM_AGAIN_S)
        return not self.is_over

    def outcome(self, exit_code: int | None = None, message: str = "") -> TaskOutcome:
        """The end of a task that was stopped; `message` is what its main process left to say."""
        if self.is_cancelled:
            return TaskOutcome("cancelled", exit_code, message, by_itself=False)
        if self.is_deleted:
            return TaskOutcome("failed", exit_code, "stopped: its folder was deleted", by_itself=False)
        if self._asked:
            why = "its supervisor was told to end, as when the machine shuts down"
            return TaskOutcome("failed", exit_code, f"stopped: {why}", by_itself=False)
        limit = f"stopped after {self._max_hours:g} h (max_run_time_hours)"
        return TaskOutcome("failed", exit_code, limit, by_itself=False)

    def _watch(self, fds: set[int]) -> None:
        for fd in self._watched - fds:
            self._poll.unregister(fd)
        for fd in fds - self._watched:
            self._poll.register(fd, select.POLLIN)
        self._watched = fds

    def _on_stop(self, number: int, frame: object) -> None:
        self._asked = True

    def _on_cancel(self, number: int, frame: object) -> None:
        self._cancelled = True
        self._forced = self._forced or number == CANCEL_AT_ONCE


def is_forced_cancel(task: TaskFolder) -> bool:
    """Whether it was cancelled, and is to end at once."""
    try:
        return bool((read_json(task.cancel) or {}).get("force"))
    except (MalformedRecord, OSError):
        return False


def drain(fd: int) -> None:
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        pass  # another reader was faster
