"""The jobs of the cluster, from one call for everything that a context shows of the queue."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flow_core.errors import NotFound, printable
from flow_core.providers.contract.listing import Listing
from flow_core.providers.slurm.queue.job_states import is_refused
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns, build_job
from flow_core.providers.slurm.queue.record_cache import RecordCache
from flow_core.providers.slurm.queue.shared_poll import SharedPoll
from flow_core.providers.slurm.rest.history import RestHistory
from flow_core.providers.slurm.rest.job_decoder import JobDecoder
from flow_core.providers.slurm.task_conversion import Surroundings

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.rest.rest_client import SlurmRestClient
    from flow_core.providers.slurm.run_folder import Submission
    from flow_core.providers.slurm.settings import SlurmSettings

_LISTED_AFTER_S = 30.0
_TIDY_S = 60.0
_TASKS_PER_STEP = 200


class RestJobQueue:
    """The jobs that slurmrestd lists, those of the accounting, and those that ended while this client watched.

    slurmctld forgets a job some minutes after its end. An answer serves all callers for `poll_s` of the settings, and
    for longer if slurmctld answers slowly.
    """

    def __init__(self, client: SlurmRestClient, settings: SlurmSettings, context_name: str) -> None:
        self._client = client
        self._history_days = settings.history_days
        self._history = RestHistory(client, settings.history_days)
        self._table, self._submissions = JobTable(), OwnRuns()
        self._records = RecordCache(self._table, self._submissions)
        self._decoder = JobDecoder()
        self._surroundings = Surroundings(context_name, own_user=client.user, own_uid=client.user)
        self._new_jobs: dict[str, tuple[Submission, float]] = {}
        self._is_everyone = False
        self._tidied_at = float("-inf")
        self._poll = SharedPoll(self._fetch, settings.poll_s, f"context {context_name!r}")

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Sentences about what the last answer lacked."""
        notes = [f"{count} of the jobs listed can't be read"] if (count := self._decoder.unreadable) else []
        return (*notes, *([self._history.failure] if self._history.failure else []))

    async def list_jobs(self, max_age_s: float | None = None) -> Listing[TaskRecord]:
        """Returns all tasks, last submitted first, of an answer that is at most `max_age_s` old (None: the interval).

        Makes at most one call. Raises Unreachable, AuthError, ProviderError and ConfigError.
        """
        await self._poll.refresh(max_age_s)
        return Listing.of(self._records.rows, self.unreadable)

    async def get(self, task_id: str, max_age_s: float | None = None) -> TaskRecord:
        """Returns a task. Raises NotFound, and what `list_jobs` raises."""
        await self._poll.refresh(max_age_s)
        record = self._records.get(task_id)
        if record is None:
            raise self._not_found(task_id)
        return record

    async def find_comment(self, key: str) -> tuple[str, str] | None:
        """Returns this user's task whose comment begins with `key`: its id, and the rest of the comment. Asks Slurm."""
        self._poll.expire()
        await self._poll.refresh()
        for record in self._records.rows:
            for job in self._table.get(record.task_id):
                word, _, rest = job.comment.partition(" ")
                if word == key and job.user == self._client.user:
                    return record.task_id, rest
        return None

    def note_submitted(self, submission: Submission, job_id: str) -> TaskRecord:
        """Lists a new job at once, although slurmctld may not list it yet. Returns its record; makes no request."""
        self._submissions.note(job_id, submission)
        self._new_jobs[job_id] = submission, time.monotonic()
        self._table.add_open((self._build_new_job(job_id, submission),))
        self._records.refresh((job_id,), self._surroundings)
        self._poll.expire()
        record = self._records.get(job_id)
        assert record is not None  # the table contains the job
        return record

    def get_submission(self, task_id: str) -> Submission | None:
        """Returns what this client submitted as this task."""
        return self._submissions.get_submission(task_id)

    def expire(self) -> None:
        """Makes the next caller ask again, for example after a change to a job."""
        self._poll.expire()

    def watch_everyone(self, on: bool) -> None:
        """Sets whether to list the jobs of other users too. Calling it again is safe."""
        if on is not self._is_everyone:
            self._is_everyone = on
            self._poll.expire()

    async def close(self) -> None:
        """Ends a call in progress. Calling it again is safe."""
        await self._poll.close()
        await self._history.close()

    async def _fetch(self) -> float:
        """Takes an answer over. Returns the time without a limit of its own: the duration of the call counts."""
        answer = await self._client.get("jobs")
        user = None if self._is_everyone else self._client.user
        jobs = [job for job in await self._decoder.decode(answer, user) if not is_refused(job)]
        now = time.monotonic()
        self._table.set_queue([*jobs, *self._list_new_jobs(jobs, now)], self._client.user)
        await self._history.update(self._table)
        changed = self._table.take_changed()
        if now - self._tidied_at >= _TIDY_S:  # the expected start of a job that waits moves on
            self._tidied_at = now
            self._table.prune(datetime.now(UTC) - timedelta(days=self._history_days))
            changed |= {*self._table.take_changed(), *(job.task_id for job in self._table.list_open())}
        await self._refresh_records(tuple(changed))
        return math.inf

    async def _refresh_records(self, task_ids: tuple[str, ...]) -> None:
        """Pauses between parts of its work, so that thousands of jobs don't delay a key."""
        for start in range(0, len(task_ids), _TASKS_PER_STEP):
            self._records.refresh(task_ids[start : start + _TASKS_PER_STEP], self._surroundings)
            await asyncio.sleep(0)

    def _list_new_jobs(self, jobs: list[Job], now: float) -> list[Job]:
        """Returns the jobs that were submitted some seconds ago and are not listed yet."""
        listed = {job.task_id for job in jobs}
        self._new_jobs = {
            job_id: (submission, submitted_at)
            for job_id, (submission, submitted_at) in self._new_jobs.items()
            if job_id not in listed and now - submitted_at < _LISTED_AFTER_S
        }
        return [self._build_new_job(job_id, submission) for job_id, (submission, _) in self._new_jobs.items()]

    def _build_new_job(self, job_id: str, submission: Submission) -> Job:
        return replace(build_job(job_id, submission), user=self._client.user)

    def _not_found(self, task_id: str) -> NotFound:
        return NotFound(f"no task {printable(repr(task_id[:40]))} in context {self._surroundings.context!r}")
