"""The records of all tasks, of which each is built again only if something that it shows has changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from flow_core.models.task import TaskRecord
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns
from flow_core.providers.slurm.task_conversion import Surroundings, build_task_record

_EPOCH = datetime.fromtimestamp(0, UTC)


class RecordCache:
    """The records by task id, and in the order of the list."""

    def __init__(self, table: JobTable, own_runs: OwnRuns) -> None:
        self._table = table
        self._own_runs = own_runs
        self._records: dict[str, TaskRecord] = {}
        self._rows: tuple[TaskRecord, ...] | None = ()

    @property
    def rows(self) -> tuple[TaskRecord, ...]:
        """The records, last submitted first; the same tuple until one of them changes."""
        if self._rows is None:
            self._rows = tuple(sorted(self._records.values(), key=_get_age_order, reverse=True))
        return self._rows

    def get(self, task_id: str) -> TaskRecord | None:
        """Returns the record of a task as of its last refresh."""
        return self._records.get(task_id)

    def refresh(self, task_ids: Iterable[str], surroundings: Surroundings) -> None:
        """Builds the records of these tasks, and drops those of tasks that the table no longer has."""
        now = datetime.now(UTC)
        for task_id in task_ids:
            jobs, before = self._table.get(task_id), self._records.get(task_id)
            if not jobs:
                self._records.pop(task_id, None)
                self._rows = None
                continue
            submission, status = self._own_runs.get_submission(task_id), self._own_runs.get_status(task_id)
            record = build_task_record(jobs, surroundings, submission, status, now)
            if record != before:
                self._records[task_id] = record
                self._rows = None


def _get_age_order(record: TaskRecord) -> tuple[datetime, int]:
    return record.created_at or _EPOCH, int(record.task_id)
