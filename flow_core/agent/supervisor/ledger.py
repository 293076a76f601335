"""One task as its supervisor knows it: what was asked for, and what there is to say of it. Standard library only."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import read_json
from flow_core.agent.state import State
from flow_core.agent.supervisor.processes import Identity


class Outcome(NamedTuple):
    """How a task, or one attempt of it, ended. An empty message leaves the last one standing."""

    status: str
    exit_code: int | None = None
    message: str = ""
    by_itself: bool = True

    @property
    def how(self) -> str:
        """What there is to say of a failure, to follow the word "failed"."""
        return f"({self.message})" if self.message else f"with exit code {self.exit_code}"


class Ledger:
    """The record that the phases of a task share; its owner is the only one who writes it."""

    def __init__(self, task: TaskFolder) -> None:
        self.task = task
        self.spec: dict[str, Any] = read_json(task.spec) or {}
        self.clock = Clock(not_before=float(self.spec["created_at"]))
        self.state = State()
        self.state.supervisor = Identity.mine()
        self.state.working_dir = str(self.spec["working_dir"])

    @property
    def ranks(self) -> int:
        """How many main processes the task has."""
        return int(self.spec.get("ranks", 1))

    def write(self) -> None:
        self.state.write(self.task.state)

    def say(self, message: str) -> None:
        """Writes only what is new."""
        if message != self.state.message:
            self.state.message = message
            self.write()

    def finish(self, outcome: Outcome) -> None:
        self.state.status, self.state.exit_code = outcome.status, outcome.exit_code
        self.state.message = outcome.message or self.state.message
        self.state.completed_at = self.clock.now()
        self.write()


class Clock:
    """Time since the epoch that never goes back, whatever is done to the machine's clock."""

    def __init__(self, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def now_us(self) -> int:
        return int(self.now() * 1_000_000)
