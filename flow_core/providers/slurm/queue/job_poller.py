"""One poller for everything that a context shows of the queue, however many panes are open."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flow_core.errors import NotFound, printable
from flow_core.providers.contract.listing import Listing
from flow_core.providers.slurm.queue.history import History
from flow_core.providers.slurm.queue.job_states import is_refused
from flow_core.providers.slurm.queue.job_table import JobTable, split_common
from flow_core.providers.slurm.queue.limits import NO_USAGE, QosLimits, parse_qos_limits, sum_usage
from flow_core.providers.slurm.queue.own_runs import OwnRuns, build_job
from flow_core.providers.slurm.queue.poll_script import PollAnswer, PollRequest, PollScript
from flow_core.providers.slurm.queue.record_cache import RecordCache
from flow_core.providers.slurm.queue.shared_poll import SharedPoll
from flow_core.providers.slurm.queue.squeue import SqueueDecoder
from flow_core.providers.slurm.task_conversion import Surroundings

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.run_folder import Submission
    from flow_core.providers.slurm.settings import SlurmSettings

_POLL_TIMEOUT_S = 60.0
_LISTED_AFTER_S = 30.0
_SLOW_FACTS_S = 60.0
_LIMITS_S = 600.0
_TASKS_PER_STEP = 200
_JOB_ID = re.compile(r"[0-9]{1,20}")


class JobPoller:
    """The jobs of a cluster, from one remote call for all of them.

    An answer serves all callers for `poll_s` of the settings, and for longer if slurmctld answers slowly: for ten times
    the duration of squeue, at most a minute. Callers that need a new answer at the same time share one call. An error
    serves them for a while too.
    """

    def __init__(self, login_node: LoginNode, settings: SlurmSettings, context_name: str) -> None:
        self._login_node = login_node
        self._settings = settings
        self._table, self._own_runs = JobTable(), OwnRuns()
        self._records = RecordCache(self._table, self._own_runs)
        self._decoder = SqueueDecoder()
        self._history = History(settings.history_days, login_node.title)
        self._surroundings = Surroundings(context_name)
        self._limits: dict[str, QosLimits] = {}
        self._new_jobs: dict[str, tuple[Submission, float]] = {}
        self._is_everyone = False
        self._poll = SharedPoll(self._read_queue, settings.poll_s, f"context {context_name!r}")
        self._runs_at = self._nodes_at = self._limits_at = float("-inf")
        self._expanded: dict[str, tuple[tuple[Job, ...], tuple[Job, ...]]] = {}

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Sentences about what the last answer lacked."""
        count = self._decoder.unreadable + self._history.unreadable
        notes = [f"{count} of the jobs listed can't be read"] if count else []
        return (*notes, *([self._history.failure] if self._history.failure else []))

    async def list_jobs(self, max_age_s: float | None = None) -> Listing[TaskRecord]:
        """Returns all tasks, last submitted first, of an answer that is at most `max_age_s` old (None: the interval).

        Makes at most one remote call. Raises Unreachable, AuthError and ProviderError; the last answer is kept.
        """
        await self._poll.refresh(max_age_s)
        return Listing.of(self._records.rows, self.unreadable)

    async def get(self, task_id: str, max_age_s: float | None = None) -> TaskRecord:
        """Returns a task. Raises NotFound, and what `list_jobs` raises.

        Asks again for a job that the last answer did not contain: another client may just have submitted it.
        """
        await self._poll.refresh(max_age_s)
        if self._records.get(task_id) is None and _JOB_ID.fullmatch(task_id):
            await self._poll.refresh(0)
        record = self._records.get(task_id)
        if record is None:
            raise self._not_found(task_id)
        return record

    async def get_jobs(self, task_id: str) -> tuple[Job, ...]:
        """Returns the jobs of a task: of an array, one for each element. Raises what `get` raises."""
        await self._poll.refresh()
        jobs = self._table.get(task_id)
        if not jobs:
            raise self._not_found(task_id)
        before, expanded = self._expanded.get(task_id, ((), ()))
        if before is not jobs:
            expanded = tuple(one for job in jobs for one in split_common(job))
            self._expanded = {task_id: (jobs, expanded)}  # the same task is asked for again and again
        return expanded

    def get_submission(self, task_id: str) -> Submission | None:
        """Returns what flow submitted as this task; None if another program did. Known after a list."""
        return self._own_runs.get_submission(task_id)

    def note_submitted(self, submission: Submission, job_id: str) -> TaskRecord:
        """Lists a new job at once, although squeue may not show it yet. Returns its record; makes no request.

        Calling it again is safe, also for a job that has ended.
        """
        self._own_runs.note(job_id, submission)
        if not self._table.get(job_id):
            self._new_jobs[job_id] = submission, time.monotonic()
            self._table.add_open((self._build_new_job(job_id, submission),))
        self._records.refresh((job_id,), self._surroundings)
        self.expire()
        record = self._records.get(job_id)
        assert record is not None  # the table contains the job
        return record

    def expire(self) -> None:
        """Makes the next caller ask again, for example after a change to a job."""
        self._poll.expire()

    def watch_everyone(self, on: bool) -> None:
        """Sets whether to list the jobs of other users too. Calling it again is safe."""
        if on is not self._is_everyone:
            self._is_everyone = on
            self.expire()

    async def close(self) -> None:
        """Ends a call in progress. Calling it again is safe."""
        await self._poll.close()

    async def _read_queue(self) -> float:
        """Takes an answer over. Returns the time that squeue took, in seconds."""
        began_at = time.monotonic()
        script = PollScript(self._settings, self._build_request(began_at))
        output = await self._login_node.query(script.text, timeout_s=_POLL_TIMEOUT_S)
        duration_s = time.monotonic() - began_at
        answer = script.parse(output)
        await self._apply(answer, began_at)
        # The whole call may contain a login, and both times of squeue are whole seconds: it took the shorter time.
        return min(duration_s, answer.queue_s)

    def _build_request(self, now: float) -> PollRequest:
        statuses, element_statuses = self._own_runs.choose_statuses(self._table)
        open_jobs = tuple(self._table.list_open())
        needs_limits = any(job.reason.startswith("QOS") for job in open_jobs) and not self._history.is_off
        return PollRequest(
            is_everyone=self._is_everyone,
            history_s=self._history.choose_length_s(now, is_needed=bool(self._table.lost)),
            newer_than=self._own_runs.newest_id if now - self._runs_at >= _SLOW_FACTS_S else None,
            submissions=self._own_runs.choose_submissions(),
            statuses=statuses,
            element_statuses=element_statuses,
            removals=self._own_runs.choose_removals(self._table),
            has_limits=needs_limits and now - self._limits_at >= _LIMITS_S,
            has_nodes=now - self._nodes_at >= _SLOW_FACTS_S and any(job.started_at is not None for job in open_jobs),
        )

    async def _apply(self, answer: PollAnswer, now: float) -> None:
        """Takes an answer over. Pauses between parts of its work, so that thousands of jobs don't delay a key."""
        user = answer.user
        jobs = [job for job in await self._decoder.decode(answer.queue, answer.token) if not is_refused(job)]
        oldest = datetime.now(UTC) - timedelta(days=self._settings.history_days)
        self._own_runs.add_answer(answer, {job.task_id for job in jobs}, oldest)
        self._own_runs.find_new(jobs, user)
        self._table.set_queue([*jobs, *self._list_new_jobs(jobs, user, now)], user)
        self._history.add_answer(answer, self._table, now)
        self._history.end_lost(self._table, self._own_runs, now)
        is_due = now - self._runs_at >= _SLOW_FACTS_S
        if is_due:
            self._runs_at = now
            self._table.prune(oldest - timedelta(days=1))
        if answer.limits is not None:
            self._limits, self._limits_at = parse_qos_limits(answer.limits), now
        if answer.unusable_nodes is not None:
            self._nodes_at = now
        before, self._surroundings = self._surroundings, self._build_surroundings(answer)
        changed = self._table.take_changed() | self._own_runs.take_changed()
        if is_due or before != self._surroundings:
            changed.update(job.task_id for job in self._table.list_open())
        task_ids = tuple(changed)
        for start in range(0, len(task_ids), _TASKS_PER_STEP):
            self._records.refresh(task_ids[start : start + _TASKS_PER_STEP], self._surroundings)
            await asyncio.sleep(0)

    def _build_surroundings(self, answer: PollAnswer) -> Surroundings:
        nodes = self._surroundings.unusable_nodes if answer.unusable_nodes is None else answer.unusable_nodes
        own_jobs = (job for job in self._table.list_open() if job.user == answer.user)
        usage = sum_usage(own_jobs, self._limits) if self._limits else NO_USAGE
        return replace(self._surroundings, own_user=answer.user, own_uid=answer.uid, usage=usage, unusable_nodes=nodes)

    def _list_new_jobs(self, jobs: list[Job], user: str, now: float) -> list[Job]:
        """Returns the jobs that were submitted some seconds ago and that squeue does not show yet."""
        if not self._new_jobs:
            return []
        listed = {job.task_id for job in jobs}
        self._new_jobs = {
            job_id: (submission, submitted_at)
            for job_id, (submission, submitted_at) in self._new_jobs.items()
            if job_id not in listed and now - submitted_at < _LISTED_AFTER_S
        }
        return [replace(self._build_new_job(job_id, one), user=user) for job_id, (one, _) in self._new_jobs.items()]

    def _build_new_job(self, job_id: str, submission: Submission) -> Job:
        return replace(build_job(job_id, submission), user=self._surroundings.own_user)

    def _not_found(self, task_id: str) -> NotFound:
        return NotFound(f"no task {printable(repr(task_id[:40]))} in context {self._surroundings.context!r}")
