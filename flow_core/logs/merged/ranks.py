"""The order of the ranks of a task in a merged log."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus

_RANK = re.compile(r"\brank ([0-9]{1,6})\b")


def find_failing_rank(task: TaskRecord) -> int | None:
    """Returns the rank that failed first, or the first failed element of an array; None if that is not known."""
    if task.elements:
        return next((element.index for element in task.elements if element.status is TaskStatus.FAILED), None)
    found = _RANK.search(task.message) if task.status is TaskStatus.FAILED else None
    return None if found is None else int(found[1])


def sort_log_ids(log_ids: Iterable[LogId], task: TaskRecord) -> list[LogId]:
    """Returns the logs of one attempt by rank; if it failed, that of the failing rank comes first."""
    failing = find_failing_rank(task)
    return sorted(log_ids, key=lambda log_id: (log_id.attempt != task.attempt or log_id.rank != failing, log_id.rank))
