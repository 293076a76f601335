"""The records of all tasks, of which each is built again only if something that it shows has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from flow_core.models.task import TaskRecord
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import is_ended
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns
from flow_core.providers.slurm.task_conversion import Surroundings, build_task_record

_EPOCH = datetime.fromtimestamp(0, UTC)


class RecordCache:
    """The records by task id, and in the order of the list: last submitted first."""

    def __init__(self, table: JobTable, own_runs: OwnRuns) -> None:
        self._table = table
        self._own_runs = own_runs
        self._by_id: dict[str, tuple[tuple[Any, ...], TaskRecord]] = {}
        self.rows: tuple[TaskRecord, ...] = ()

    def get(self, task_id: str) -> TaskRecord | None:
        """Returns the record of a task as of the last update."""
        entry = self._by_id.get(task_id)
        return None if entry is None else entry[1]

    def update(self, surroundings: Surroundings) -> None:
        """Brings all records up to date."""
        now = datetime.now(UTC)
        built = {task_id: self._build(task_id, surroundings, now) for task_id in self._table.task_ids}
        if built.keys() == self._by_id.keys() and all(built[one] is self._by_id[one] for one in built):
            return
        self._by_id = built
        self.rows = tuple(sorted((record for _, record in built.values()), key=_get_age_order, reverse=True))

    def _build(self, task_id: str, surroundings: Surroundings, now: datetime) -> tuple[tuple[Any, ...], TaskRecord]:
        jobs = self._table.get(task_id)
        submission, status = self._own_runs.get_submission(task_id), self._own_runs.get_status(task_id)
        key = (jobs, submission, status, *_list_dependencies(jobs, surroundings, now))
        before = self._by_id.get(task_id)
        if before is not None and before[0] == key:
            return before
        return key, build_task_record(jobs, surroundings, submission, status, now)


def _list_dependencies(jobs: Sequence[Job], surroundings: Surroundings, now: datetime) -> Iterator[object]:
    """Yields what the message of a task depends on besides its jobs: nothing once all have ended."""
    first = jobs[0]  # those that have not ended come first
    if is_ended(first):
        return
    yield surroundings.unusable_nodes
    yield now.astimezone().date()
    yield first.starts_at is not None and first.starts_at > now
    if any(job.reason.startswith("QOS") for job in jobs):
        yield surroundings.usage


def _get_age_order(record: TaskRecord) -> tuple[datetime, int]:
    return record.created_at or _EPOCH, int(record.task_id)
