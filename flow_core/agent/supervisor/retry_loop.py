"""A task that fails by itself is tried again, so many times and after a while. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.spec import RetryPlan
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskOutcome, TaskStateWriter


class RetryLoop:
    """The attempts of one task. It keeps its GPUs between them."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal) -> None:
        self._ledger = ledger
        self._stop = stop
        self._plan = ledger.spec.retries or RetryPlan(0)
        self._tries = 1 + self._plan.max

    def run(self, attempt: Callable[[], TaskOutcome]) -> TaskOutcome:
        """Makes attempts until one ends well, none is left or the task has to stop; returns the end of it all."""
        outcome = attempt()
        while outcome.by_itself and outcome.status == "failed" and self._number < self._tries:
            if not self._pause(outcome):
                return self._given_up(outcome)
            self._ledger.state.attempt += 1
            self._ledger.state.between_attempts = False
            outcome = attempt()
        return self._counted(outcome)

    @property
    def _number(self) -> int:
        """Of this attempt, as people count."""
        return self._ledger.state.attempt + 1

    def _pause(self, outcome: TaskOutcome) -> bool:
        """Waits for the next attempt; false when there will be none."""
        if self._stop.is_over:
            return False
        plan = self._plan
        delay_s = min(plan.delay_s * plan.factor**self._ledger.state.attempt, plan.max_delay_s)
        end = time.monotonic() + delay_s
        failed = f"attempt {self._number} failed {outcome.how}"
        state = self._ledger.state
        state.status, state.between_attempts = "pending", True
        state.children, state.master_port = [], None
        state.message = f"{failed}; attempt {self._number + 1} of {self._tries} starts in {delay_s:g} s"
        self._ledger.write()
        while not self._stop.is_over:
            left_s = end - time.monotonic()
            if left_s <= 0:
                return True
            self._stop.wait(set(), min(left_s, self._stop.remaining_s))
        return False

    def _given_up(self, outcome: TaskOutcome) -> TaskOutcome:
        stopped = self._stop.outcome(outcome.exit_code)
        failed = f"attempt {self._number} of {self._tries} failed {outcome.how}"
        return stopped._replace(message=f"{stopped.message}; {failed}" if stopped.message else failed)

    def _counted(self, outcome: TaskOutcome) -> TaskOutcome:
        """The last attempt's end, which says how many there were."""
        if self._tries == 1 or outcome.status != "failed":
            return outcome
        if not outcome.by_itself:
            return outcome._replace(message=f"{outcome.message}, in attempt {self._number} of {self._tries}")
        return outcome._replace(message=f"all {self._tries} attempts failed, the last {outcome.how}")
