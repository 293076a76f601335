"""The submissions of flow that are known, what their scripts recorded, and what to read of them next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from datetime import datetime
from itertools import islice

from flow_core.agent.record_fields import LAST_TIMESTAMP
from flow_core.agent.utc_time import to_utc_datetime
from flow_core.providers.slurm.queue.hostlist import expand_indexes
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import is_ended
from flow_core.providers.slurm.queue.job_table import JobTable, list_indexes, split_whole
from flow_core.providers.slurm.queue.poll_script import PollAnswer
from flow_core.providers.slurm.queue.run_status import RunStatus, apply_status, parse_run_status
from flow_core.providers.slurm.run_folder import RUNS, Submission, parse_comment, parse_submission

Statuses = dict[int | None, RunStatus]
_RUNS_MAX = 5000
_READS_MAX = 200
_ARRAY_READS_MAX = 20


class OwnRuns:
    """The runs of flow by task."""

    def __init__(self) -> None:
        self._submissions: dict[str, Submission] = {}
        self._statuses: dict[str, Statuses] = {}
        self._listed: set[str] = set()
        self._unread: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._asked: set[str] = set()
        self._changed: set[str] = set()
        self._with_variables: dict[str, None] = {}
        self._removed: tuple[str, ...] = ()
        self.newest_id = 0
        """The highest job id of a run that was read."""

    def get_submission(self, task_id: str) -> Submission | None:
        """Returns what was submitted; None for a job that flow did not submit."""
        return self._submissions.get(task_id)

    def get_status(self, task_id: str) -> RunStatus | None:
        """Returns what the script of a job recorded; None for an array, and if nothing was read."""
        return self._statuses.get(task_id, {}).get(None)

    def get_statuses(self, task_id: str) -> Mapping[int | None, RunStatus]:
        """Returns what the scripts of a task recorded, by index; None is the index of a job that is in no array."""
        return self._statuses.get(task_id, {})

    def take_changed(self) -> set[str]:
        """Returns the ids of the tasks of which something was read since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def was_asked(self, task_id: str) -> bool:
        """Returns whether the last answer contains all that the scripts of a task recorded."""
        return task_id in self._asked

    def note(self, task_id: str, submission: Submission) -> None:
        """Adds a run that this client has just submitted."""
        self._add(task_id, submission)

    def find_new(self, jobs: Iterable[Job], own_user: str) -> None:
        """Finds the jobs in the queue that another client of this user has submitted, to read them next."""
        for job in jobs:
            key = parse_comment(job.comment) if job.comment and job.user == own_user else None
            if key is not None and job.task_id not in self._submissions and key not in self._unreadable:
                self._unread[key] = job.task_id

    def choose_submissions(self) -> tuple[str, ...]:
        """Returns the KEYs of the submissions to read."""
        return tuple(self._unread)[:_READS_MAX]

    def choose_statuses(self, table: JobTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns the KEYs of the runs whose status to read: of jobs, and of arrays with all their elements.

        The attempt of a job with retries changes while it runs. The others are read if Slurm does not list them.
        """
        lost = [task_id for task_id in table.lost if task_id in self._submissions]
        chosen = {*lost, *self._find_incomplete(table), *self._find_retried(table)}
        arrays = [task_id for task_id in chosen if self._submissions[task_id].array][:_ARRAY_READS_MAX]
        single = [task_id for task_id in chosen if not self._submissions[task_id].array][:_READS_MAX]
        self._asked = {*arrays, *single}
        return self._list_keys(single), self._list_keys(arrays)

    def choose_removals(self, table: JobTable) -> tuple[str, ...]:
        """Returns the KEYs of the runs whose variables to remove: a script that was killed could not remove them."""
        ended = (
            task_id for task_id in self._with_variables if (jobs := table.get(task_id)) and all(map(is_ended, jobs))
        )
        self._removed = tuple(islice(ended, _READS_MAX))
        return self._list_keys(self._removed)

    def take(self, answer: PollAnswer, queued: Set[str], oldest: datetime) -> None:
        """Stores what was read. Runs that are not queued and were submitted before `oldest` are left out."""
        for task_id in self._removed:
            self._with_variables.pop(task_id, None)
        runs = {f"jobs/{job_id}": (job_id, folder) for job_id, folder in answer.links.items()}
        runs |= {f"{RUNS}/{key}": (task_id, f"{answer.folder}/{RUNS}/{key}") for key, task_id in self._unread.items()}
        for run, text in answer.submissions.items():
            task_id, folder = runs.get(run, ("", ""))
            submission = parse_submission(text, folder) if task_id else None
            if submission is not None and (task_id in queued or _is_between(submission.submitted_at, oldest)):
                if task_id not in self._submissions:
                    self._add(task_id, submission)
                self._changed.add(task_id)
        self._take_statuses(answer, {run: task_id for run, (task_id, _) in runs.items()})
        self._asked |= {job_id for job_id in answer.links if not self._is_array(job_id)}
        self.newest_id = max([self.newest_id, *map(int, answer.links)])
        if answer.folder:
            self._unreadable |= {key for key, task_id in self._unread.items() if task_id not in self._submissions}
            self._unread.clear()
        while len(self._submissions) > _RUNS_MAX:
            self._drop(next(iter(self._submissions)))

    def list_unlisted(self, table: JobTable) -> Iterator[Job]:
        """Yields the jobs that Slurm does not list although they were submitted, as their scripts recorded their end.

        Only those of which everything was read, and the elements of arrays that Slurm prints without their indexes.
        """
        for task_id, missing in self._find_incomplete(table).items():
            listed = table.get(task_id)
            if listed and not listed[0].array_id and is_ended(listed[0]):
                yield from split_whole(listed[0], missing)
            elif task_id in self._asked:
                job, statuses = build_job(task_id, self._submissions[task_id]), self._statuses.get(task_id, {})
                for index in missing:
                    yield apply_status(replace(job, array_index=index, array_indexes=()), statuses.get(index))

    def _find_incomplete(self, table: JobTable) -> dict[str, set[int | None]]:
        """Returns the tasks of which the table lacks jobs, with their indexes. Once complete, a task stays so."""
        incomplete: dict[str, set[int | None]] = {}
        for task_id, submission in self._submissions.items():
            if task_id in self._listed:
                continue
            present = list_indexes(table.get(task_id))
            wanted: set[int | None] = {*expand_indexes(submission.array)[0]} or {None}
            missing = wanted - present if submission.array or not present else set()
            if missing:
                incomplete[task_id] = missing
            else:
                self._listed.add(task_id)
        return incomplete

    def _find_retried(self, table: JobTable) -> Iterator[str]:
        for job in table.list_open():
            submission = self._submissions.get(job.job_id)
            if submission is not None and job.started_at is not None and submission.config.get("retries"):
                yield job.job_id

    def _is_array(self, task_id: str) -> bool:
        submission = self._submissions.get(task_id)
        return submission is not None and bool(submission.array)

    def _list_keys(self, task_ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._submissions[task_id].key for task_id in task_ids)

    def _take_statuses(self, answer: PollAnswer, tasks: dict[str, str]) -> None:
        if answer.statuses:
            tasks |= {f"{RUNS}/{self._submissions[one].key}": one for one in self._asked if one in self._submissions}
        for run, files in answer.statuses.items():
            if run in tasks:
                parsed = {index: status for index, lines in files.items() if (status := parse_run_status(lines))}
                self._statuses.setdefault(tasks[run], {}).update(parsed)
                self._changed.add(tasks[run])

    def _add(self, task_id: str, submission: Submission) -> None:
        self._submissions[task_id] = submission
        if submission.config.get("env") and not submission.is_user_script:
            self._with_variables[task_id] = None

    def _drop(self, task_id: str) -> None:
        del self._submissions[task_id]
        self._with_variables.pop(task_id, None)
        self._statuses.pop(task_id, None)
        self._listed.discard(task_id)


def _is_between(seconds: float, oldest: datetime) -> bool:
    return oldest.timestamp() <= seconds <= LAST_TIMESTAMP


def build_job(task_id: str, submission: Submission) -> Job:
    """Returns a task as it was submitted: one job, or the common record of the elements of an array."""
    indexes, limit = expand_indexes(submission.array)
    return Job(
        job_id=task_id,
        state="PENDING",
        array_id=task_id if submission.array else "",
        name=submission.name,
        partition=str(submission.config.get("region") or ""),
        node_count=max(submission.ranks, 1),
        submitted_at=get_submission_time(submission),
        work_dir=submission.working_dir,
        output_path=submission.output_path,
        array_limit=limit,
        array_indexes=indexes,
    )


def get_submission_time(submission: Submission) -> datetime | None:
    """Returns when the client sent it, by its clock; None if the record does not tell."""
    seconds = submission.submitted_at
    return to_utc_datetime(seconds) if 0 < seconds <= LAST_TIMESTAMP else None
