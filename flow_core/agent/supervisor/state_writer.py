"""Writes the state of one task for its supervisor, which also keeps the spec and the clock here."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from flow_core.agent.layout import TaskFolder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import TaskState

_SPARE_BYTES = 16 << 10


class TaskOutcome(NamedTuple):
    """The outcome of a task or of one attempt. An empty message keeps the last one.

    `was_stopped` is true if the task didn't end by itself.
    """

    status: str
    exit_code: int | None = None
    message: str = ""
    was_stopped: bool = False

    @property
    def failure_text(self) -> str:
        """The reason of a failure, to be appended to the word "failed"."""
        return f"({self.message})" if self.message else f"with exit code {self.exit_code}"


class TaskStateWriter:
    """The spec and the state that all phases of a task share. Only the supervisor writes the state.

    `is_outdated` is true if the last write failed.
    """

    def __init__(self, task: TaskFolder) -> None:
        self.task = task
        spec = StoredSpec.read(task.spec)
        if spec is None:
            raise MalformedRecord("spec.json is missing")
        self.spec = spec
        self.clock = MonotonicClock(not_before=spec.created_at)
        self.state = TaskState()
        self.state.supervisor = ProcessIdentity.current()
        self.state.working_dir = spec.working_dir
        self.is_outdated = False

    @property
    def ranks(self) -> int:
        """The number of main processes of the task."""
        return self.spec.ranks

    def write(self) -> bool:
        """Writes the state; returns False if that is impossible now. Then call it again later.

        On a full disk it uses the reserved space.
        """
        try:
            self.state.write(self.task.state)
        except OSError:
            self._free_reserved_space()
            try:
                self.state.write(self.task.state)
            except OSError:
                self.is_outdated = True
                return False
        self.is_outdated = False
        return True

    def reserve_space(self) -> None:
        """Reserves disk space for the final state before the task can fill the disk."""
        try:
            fd = os.open(self.task.reserved_space, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, bytes(_SPARE_BYTES))
            finally:
                os.close(fd)
        except OSError:
            pass  # the disk is full already

    def set_message(self, message: str) -> None:
        """Sets the message; writes the state only if it changed."""
        if message != self.state.message:
            self.state.message = message
            self.write()

    def finish(self, outcome: TaskOutcome) -> bool:
        """Writes the final state; returns False if that is impossible now. Then call it again later."""
        self.state.status, self.state.exit_code = outcome.status, outcome.exit_code
        self.state.message = outcome.message or self.state.message
        self.state.completed_at = self.state.completed_at or self.clock.now()
        self._free_reserved_space()
        return self.write()

    def _free_reserved_space(self) -> None:
        try:
            os.unlink(self.task.reserved_space)
        except OSError:
            pass


class MonotonicClock:
    """Time since the epoch that never decreases, even if the machine's clock is set back."""

    def __init__(self, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def now_us(self) -> int:
        return int(self.now() * 1_000_000)
