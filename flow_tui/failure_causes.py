"""The causes of failed tasks that were found in their logs, and their sentences."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.cache import LRUCache

if TYPE_CHECKING:
    from flow_core.fleet import Fleet
    from flow_core.logs.failure_report import FailureReport

_KEPT = 64

AttemptKey = tuple[str, str, int]
"""(context, task id, attempt)"""


class FailureCauses:
    """The reports of the last 64 failed attempts. An attempt is read once, and again if logs did not arrive."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._reports: LRUCache[AttemptKey, FailureReport] = LRUCache(_KEPT)
        self._lock = asyncio.Lock()

    def get(self, attempt: AttemptKey) -> FailureReport | None:
        """Returns the report if the attempt has been read."""
        return self._reports.get(attempt)

    async def find(self, attempt: AttemptKey) -> FailureReport:
        """Returns the report. Reads the logs of the attempt if needed, which may take seconds.

        Cancelling it ends the child process that reads. Raises FlowError.
        """
        async with self._lock:  # one child process at a time
            report = self._reports.get(attempt)
            if report is None or report.not_read:
                context, task_id, number = attempt
                report = await self._fleet.flow(context).find_failure_cause(task_id, number)
                self._reports[attempt] = report
            return report


def describe_cause(report: FailureReport, noun: str) -> str:
    """Returns the cause as a sentence, with the rank if there are several; "" without one.

    `noun` is "rank" or "element".
    """
    cause = report.cause
    if cause is None:
        return ""
    has_ranks = len({*report.read, *report.not_read}) > 1 or cause.rank
    return f"{noun} {cause.rank}: {cause.summary}" if has_ranks else cause.summary


def describe_report(report: FailureReport, noun: str) -> str:
    """Returns one sentence: the cause, or that none was found, and what was not read."""
    if cause := describe_cause(report, noun):
        return f"cause: {cause}{_describe_unread(report, noun)}"
    count = len({*report.read, *report.not_read})
    logs = f"the logs of {count} {noun}s" if count > 1 else "the log"
    return f"no cause was found in {logs}{_describe_unread(report, noun)}"


def _describe_unread(report: FailureReport, noun: str) -> str:
    """Returns in brackets what was not read; "" if everything was."""
    ranks = [str(log.rank) for log in report.not_read]
    listed = f"{', '.join(ranks[:4])}{' and others' if len(ranks) > 4 else ''}"
    unread = f"not read completely: {noun} {listed}" if ranks else ""
    ends = "" if report.is_complete else "only the last 64 MB were read"
    text = "; ".join(filter(None, (unread, ends)))
    return f" ({text})" if text else ""
