"""Offers the first cause of a failed task: finds it in its logs, and shows it in one row below the log."""

from __future__ import annotations

import asyncio
from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.logs.failure_report import FailureCause
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.failure_causes import AttemptKey, describe_report
from flow_tui.services import Services
from flow_tui.widgets.workers import start_worker

_SETTLE_S = 0.3
"""The cursor may only pass the task."""
_GROUP = "cause"


class CauseRow(Horizontal):
    """The row with the cause of the failure of one attempt. Has no height while there is nothing to say."""

    DEFAULT_CSS = """
    CauseRow { display: none; height: 1; padding: 0 1; }
    CauseRow > Static { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    CauseRow > #cause-text { width: 1fr; }
    CauseRow > #cause-hint { width: auto; color: $muted; }
    CauseRow.-found > #cause-text { color: $text-error; }
    """

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._text, self._hint = Static(id="cause-text", markup=False), Static(id="cause-hint", markup=False)
        self._attempt: AttemptKey | None = None

    def compose(self) -> ComposeResult:
        yield self._text
        yield self._hint

    @property
    def found(self) -> FailureCause | None:
        """The cause of the failure of the attempt that is shown; None if it is not known."""
        report = None if self._attempt is None else self._services.causes.get(self._attempt)
        return None if report is None else report.cause

    def follow(self, task: TaskRecord | None, log: LogId | None) -> None:
        """Offers the cause of the attempt that has this log, if the attempt has failed. Ends what was being read."""
        attempt = None
        if task is not None and log is not None and log.task_id == task.task_id:
            has_failed = task.status is TaskStatus.FAILED or log.attempt < task.attempt
            attempt = (log.context, log.task_id, log.attempt) if has_failed else None
        if attempt == self._attempt:
            return
        self._attempt, self.display = attempt, False
        self.remove_class("-found")
        self.workers.cancel_group(self, _GROUP)
        if attempt is not None and task is not None:
            noun = "element" if task.elements else "rank"
            start_worker(self, partial(self._offer, attempt, noun), group=_GROUP, exclusive=True)

    def dismiss(self) -> bool:
        """Hides the row. Returns False if it was hidden."""
        was_shown, self.display = bool(self.display), False
        return was_shown

    async def _offer(self, attempt: AttemptKey, noun: str) -> None:
        report = self._services.causes.get(attempt)
        if report is None or report.not_read:
            await asyncio.sleep(_SETTLE_S)
            try:
                report = await self._services.causes.find(attempt)
            except FlowError as error:
                self._show(f"no cause was found: {error.message}", "")
                return
        if not (report.read or report.not_read):
            return  # it wrote no output
        cause = report.cause
        key = self._services.keys.written("logs.cause")
        self.set_class(cause is not None, "-found")
        self._show(describe_report(report, noun), f"  press {key} to go there" if cause is not None else "")

    def _show(self, text: str, hint: str) -> None:
        self._text.update(escape_controls(text))
        self._hint.update(hint)
        self.display = True
