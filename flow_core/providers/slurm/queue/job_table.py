"""All jobs that are known: those in the queue, those that have ended, and those that Slurm has forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from datetime import datetime

from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import is_ended
from flow_core.providers.slurm.queue.run_status import RunStatus, apply_status, restore_exit_code

Elements = dict[int | None, Job]
_ENDED_JOBS_MAX = 100_000
_KEPT_TEXTS = (
    *("user", "name", "work_dir", "output_path", "comment", "script_path", "reservation", "gpu_type"),
    *("cancelled_by", "account", "qos"),
)


class JobTable:
    """The jobs by task. A job that this client has seen stays, even if Slurm no longer knows it."""

    def __init__(self) -> None:
        self._queue: dict[str, tuple[Job, ...]] = {}
        self._open: dict[str, tuple[Job, ...]] = {}
        self._ended: dict[str, Elements] = {}
        self._lost: dict[str, Elements] = {}
        self._views: dict[str, tuple[Job, ...]] = {}
        self._changed: set[str] = set()

    @property
    def lost(self) -> Mapping[str, Collection[int | None]]:
        """The jobs that left the queue without a known end: indexes by task; None for a job that is in no array."""
        return self._lost

    def get(self, task_id: str) -> tuple[Job, ...]:
        """Returns the jobs of a task: first those that have not ended; empty if it is unknown.

        Returns the same tuple until one of them changes.
        """
        view = self._views.get(task_id)
        if view is None:
            gone = {**self._ended.get(task_id, {}), **self._lost.get(task_id, {})}
            ordered = sorted(gone, key=lambda index: -1 if index is None else index)
            view = self._open.get(task_id, ()) + tuple(gone[index] for index in ordered)
            self._views[task_id] = view
        return view

    def take_changed(self) -> set[str]:
        """Returns the ids of the tasks that have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def list_open(self) -> Iterator[Job]:
        """Yields the jobs in the queue that have not ended."""
        for jobs in self._open.values():
            yield from jobs

    def set_queue(self, jobs: Iterable[Job], own_user: str) -> None:
        """Replaces the queue by the answer of squeue. Jobs of other users that have left it are dropped."""
        before, self._queue = self._queue, _group(jobs)
        for task_id in {**before, **self._queue}:
            present = self._queue.get(task_id, ())
            if present != before.get(task_id, ()):
                self._update_task(task_id, present)
            if not present and before[task_id][0].user != own_user:
                self._drop(task_id)

    def add_open(self, jobs: Collection[Job]) -> None:
        """Adds the jobs of a task that was just submitted, if the queue does not contain it yet."""
        for task_id, present in _group(jobs).items():
            if task_id not in self._queue:
                self._queue[task_id] = present
                self._update_task(task_id, present)

    def add_ended(self, jobs: Iterable[Job]) -> None:
        """Adds ended jobs from the accounting. Jobs in the queue that have not ended are newer than those."""
        for job in jobs:
            is_open = list_indexes(self._open.get(job.task_id, ()))
            for one in split_common(job):
                if one.array_index not in is_open:
                    self._add_ended(one)

    def end_lost(self, task_id: str, statuses: Mapping[int | None, RunStatus], *, is_final: bool) -> None:
        """Ends the lost jobs of a task as their scripts recorded it.

        Without `is_final`, those without a recorded end stay lost, since the accounting may yet tell how they ended.
        """
        for index, job in tuple(self._lost.get(task_id, {}).items()):
            status = statuses.get(index)
            if is_final or (status is not None and status.ended_at is not None):
                self._add_ended(apply_status(job, status))

    def prune(self, before: datetime) -> None:
        """Drops tasks that ended before a time, and the first submitted ones if there are too many."""
        total = sum(map(len, self._ended.values()))
        for task_id in sorted((one for one in self._ended if one not in self._queue), key=int):
            jobs = self._ended[task_id].values()
            newest = max((job.ended_at for job in jobs if job.ended_at is not None), default=None)
            if total > _ENDED_JOBS_MAX or (newest is not None and newest < before):
                total -= len(jobs)
                self._drop(task_id)

    def _update_task(self, task_id: str, present: tuple[Job, ...]) -> None:
        """Compares the jobs of a task with those of the last answer."""
        past = self._open.pop(task_id, ())
        is_open = tuple(job for job in present if not is_ended(job))
        indexes = list_indexes(is_open)
        for place in (self._ended, self._lost):
            for index in indexes & place.get(task_id, {}).keys():
                del place[task_id][index]
        gone = list_indexes(past) - indexes
        for job in present:
            for one in self._split_ended(job, gone) if is_ended(job) else ():
                if one.array_index not in indexes:  # a federation lists a job of another cluster as revoked
                    self._add_ended(one)
        gone -= self._ended.get(task_id, {}).keys()
        lost = {one.array_index: one for job in past for one in split_common(job, gone)}
        if lost:
            self._lost.setdefault(task_id, {}).update(lost)
        if is_open:
            self._open[task_id] = is_open
        self._tidy(task_id)

    def _split_ended(self, job: Job, gone: Set[int | None]) -> Iterator[Job]:
        """Yields an ended job, or its elements. `gone` are the indexes of the task that have left the queue.

        Slurm prints no indexes for an array that was cancelled before its start.
        """
        if job.array_id or gone <= {None}:
            is_known_array = not job.array_id and self._ended.get(job.task_id, {}).keys() - {None}
            return iter(()) if is_known_array else split_common(job)
        return split_whole(job, gone)

    def _add_ended(self, job: Job) -> None:
        before = self._ended.get(job.task_id, {}).get(job.array_index)
        last = before or self._lost.get(job.task_id, {}).pop(job.array_index, None)
        ended = self._ended.setdefault(job.task_id, {})
        ended[job.array_index] = job if last is None else _complete(job, last)
        if job.array_index is not None:
            ended.pop(None, None)
        self._tidy(job.task_id)

    def _tidy(self, task_id: str) -> None:
        self._views.pop(task_id, None)
        self._changed.add(task_id)
        for place in (self._ended, self._lost):
            if not place.get(task_id, True):
                del place[task_id]

    def _drop(self, task_id: str) -> None:
        self._open.pop(task_id, None)
        self._ended.pop(task_id, None)
        self._lost.pop(task_id, None)
        self._tidy(task_id)


def _group(jobs: Iterable[Job]) -> dict[str, tuple[Job, ...]]:
    grouped: dict[str, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.array_id or job.job_id, []).append(job)
    return {task_id: tuple(listed) for task_id, listed in grouped.items()}


def list_indexes(jobs: Iterable[Job]) -> set[int | None]:
    """Returns the indexes of the jobs, also those of common records."""
    indexes: set[int | None] = set()
    for job in jobs:
        indexes.update(job.array_indexes or (job.array_index,))
    return indexes


def split_common(job: Job, wanted: Set[int | None] | None = None) -> Iterator[Job]:
    """Yields the elements of a common record, or the job if it is no such record. None wants all of them."""
    if not job.array_indexes and (wanted is None or job.array_index in wanted):
        yield job
    for index in job.array_indexes:
        if wanted is None or index in wanted:
            yield replace(job, array_index=index, array_indexes=())


def split_whole(job: Job, indexes: Iterable[int | None]) -> Iterator[Job]:
    """Yields the elements of an array that Slurm printed as one job without indexes."""
    for index in indexes:
        if index is not None:
            yield replace(job, array_id=job.task_id, array_index=index)


def _complete(job: Job, before: Job) -> Job:
    """Returns an ended job with the values that only an earlier answer had: squeue and sacct print different ones."""
    if job is before:
        return job
    missing = {name: getattr(before, name) for name in _KEPT_TEXTS if not getattr(job, name) and getattr(before, name)}
    if not job.reason and is_ended(before):
        missing["reason"] = before.reason
    if job.state == before.state and not job.exit_code and not job.signal:
        missing |= {"exit_code": before.exit_code, "signal": before.signal}
    if before.restarts > job.restarts:
        missing["restarts"] = before.restarts
    complete = replace(job, **missing) if missing else job
    return restore_exit_code(complete, before.exit_code) if job.state == before.state else complete
