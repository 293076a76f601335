"""One task as its supervisor knows it: what was asked for, and what there is to say of it. Standard library only."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.processes import ProcessIdentity

_SPARE_BYTES = 16 << 10


class TaskOutcome(NamedTuple):
    """How a task, or one attempt of it, ended. An empty message leaves the last one standing."""

    status: str
    exit_code: int | None = None
    message: str = ""
    by_itself: bool = True

    @property
    def how(self) -> str:
        """What there is to say of a failure, to follow the word "failed"."""
        return f"({self.message})" if self.message else f"with exit code {self.exit_code}"


class TaskStateWriter:
    """The record that the phases of a task share; its owner is the only one who writes it."""

    def __init__(self, task: TaskFolder) -> None:
        self.task = task
        spec = StoredSpec.read(task.spec)
        if spec is None:
            raise MalformedRecord("spec.json is missing")
        self.spec = spec
        self.clock = MonotonicClock(not_before=spec.created_at)
        self.state = TaskState()
        self.state.supervisor = ProcessIdentity.mine()
        self.state.working_dir = spec.working_dir
        self.is_behind = False

    @property
    def ranks(self) -> int:
        """How many main processes the task has."""
        return self.spec.ranks

    def write(self) -> bool:
        """False when it can't be written now (`is_behind`): call it again later. Room is kept for it on a full disk."""
        try:
            self.state.write(self.task.state)
        except OSError:
            self._use_spare()
            try:
                self.state.write(self.task.state)
            except OSError:
                self.is_behind = True
                return False
        self.is_behind = False
        return True

    def reserve_space(self) -> None:
        """Takes the room that the task's last record needs, before the task can fill the disk."""
        try:
            fd = os.open(self.task.spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, bytes(_SPARE_BYTES))
            finally:
                os.close(fd)
        except OSError:
            pass  # there is no room now either

    def say(self, message: str) -> None:
        """Writes only what is new."""
        if message != self.state.message:
            self.state.message = message
            self.write()

    def finish(self, outcome: TaskOutcome) -> bool:
        """False when it can't be written now: call it again later."""
        self.state.status, self.state.exit_code = outcome.status, outcome.exit_code
        self.state.message = outcome.message or self.state.message
        self.state.completed_at = self.state.completed_at or self.clock.now()
        self._use_spare()
        return self.write()

    def _use_spare(self) -> None:
        try:
            os.unlink(self.task.spare)
        except OSError:
            pass


class MonotonicClock:
    """Time since the epoch that never goes back, whatever is done to the machine's clock."""

    def __init__(self, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def now_us(self) -> int:
        return int(self.now() * 1_000_000)
