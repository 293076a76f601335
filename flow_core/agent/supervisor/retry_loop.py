"""Runs a failing task again, up to a number of attempts and with a delay."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.spec import RetryPlan
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal


class RetryLoop:
    """The attempts of one task. It keeps its GPUs between them."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal) -> None:
        self._writer = writer
        self._stop = stop
        self._plan = writer.spec.retries or RetryPlan(0)
        self._attempts_max = 1 + self._plan.max

    def run(self, attempt: Callable[[], TaskOutcome]) -> TaskOutcome:
        """Runs attempts until one succeeds, none is left or the task must stop; returns the outcome of the task."""
        outcome = attempt()
        while not outcome.was_stopped and outcome.status == "failed" and self._attempt_number < self._attempts_max:
            if not self._pause(outcome):
                return self._describe_stop(outcome)
            self._writer.state.attempt += 1
            self._writer.state.between_attempts = False
            outcome = attempt()
        return self._add_attempt_count(outcome)

    @property
    def _attempt_number(self) -> int:
        """The number of this attempt, counted from 1."""
        return self._writer.state.attempt + 1

    def _pause(self, outcome: TaskOutcome) -> bool:
        """Waits for the next attempt; returns False if there will be none."""
        if self._stop.must_stop:
            return False
        plan = self._plan
        delay_s = min(plan.delay_s * plan.factor**self._writer.state.attempt, plan.max_delay_s)
        end = time.monotonic() + delay_s
        failed = f"attempt {self._attempt_number} failed {outcome.failure_text}"
        state = self._writer.state
        state.status, state.between_attempts = "pending", True
        state.children, state.master_port = [], None
        state.message = f"{failed}; attempt {self._attempt_number + 1} of {self._attempts_max} starts in {delay_s:g} s"
        self._writer.write()
        while not self._stop.must_stop:
            remaining_s = end - time.monotonic()
            if remaining_s <= 0:
                return True
            self._stop.wait(set(), min(remaining_s, self._stop.remaining_s))
        return False

    def _describe_stop(self, outcome: TaskOutcome) -> TaskOutcome:
        stopped = self._stop.build_outcome(outcome.exit_code)
        failed = f"attempt {self._attempt_number} of {self._attempts_max} failed {outcome.failure_text}"
        return stopped._replace(message=f"{stopped.message}; {failed}" if stopped.message else failed)

    def _add_attempt_count(self, outcome: TaskOutcome) -> TaskOutcome:
        """Adds the number of attempts to the message of a failed outcome if more than one attempt is allowed.

        Returns any other outcome unchanged.
        """
        if self._attempts_max == 1 or outcome.status != "failed":
            return outcome
        if outcome.was_stopped:
            return outcome._replace(
                message=f"{outcome.message}, in attempt {self._attempt_number} of {self._attempts_max}"
            )
        return outcome._replace(message=f"all {self._attempts_max} attempts failed, the last {outcome.failure_text}")
