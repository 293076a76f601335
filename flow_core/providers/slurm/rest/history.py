"""The ended jobs of a user, which slurmctld has forgotten and the accounting knows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.providers.slurm.queue.job_states import FORGOTTEN, is_ended
from flow_core.providers.slurm.rest.history_decoder import decode_history

if TYPE_CHECKING:
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.queue.job_table import JobTable
    from flow_core.providers.slurm.rest.api_description import ApiDescription
    from flow_core.providers.slurm.rest.rest_client import SlurmRestClient

_PAUSE_S = 60.0
_OVERLAP_S = 300
_GIVE_UP_S = 60.0
_DAY_S = 86_400


class RestHistory:
    """Asks slurmrestd for the accounting, and ends the jobs that nobody knows any more.

    The first question covers all days of the history. Later ones cover the time since the last answer and a few minutes
    more, because slurmdbd may learn of an end late.
    """

    def __init__(self, client: SlurmRestClient, days: float, *, wait_s: float = 5.0) -> None:
        """`wait_s` is the longest wait for an answer of the accounting."""
        self._client = client
        self._wait_s = wait_s
        self._length_s = round(days * _DAY_S)
        self._asked_at = self._answered_at = float("-inf")
        self._lost_at: dict[str, float] = {}
        self._found: list[Job] = []
        self._running: asyncio.Task[None] | None = None
        self._is_off = not self._length_s
        self.failure = ""
        """A sentence if the accounting exists and does not answer."""

    async def update(self, table: JobTable) -> None:
        """Adds what the accounting knows, and ends jobs that left the queue without a known end.

        An answer of the accounting that comes late is added by the next call.
        """
        now = time.monotonic()
        api = await self._client.describe()
        if self._is_due(now, is_needed=bool(table.lost)) and api.history_path:
            self._asked_at = now
            self._running = asyncio.create_task(self._ask(api, now))
            await asyncio.wait((self._running,), timeout=self._wait_s)
        if self._running is not None and self._running.done() and not self._running.cancelled():
            self._running.result()  # a bug must not go unnoticed
        found, self._found = self._found, []
        table.add_ended([_prefer_known(job, table) for job in found])
        self._lost_at = {task_id: self._lost_at.get(task_id, now) for task_id in table.lost}
        for task_id, lost_at in self._lost_at.items():
            is_final = self._is_off or not api.history_path or now - lost_at >= _GIVE_UP_S
            table.end_lost(task_id, {}, is_final=is_final)

    async def close(self) -> None:
        """Ends a call in progress. Calling it again is safe."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait((self._running,))

    def _is_due(self, now: float, *, is_needed: bool) -> bool:
        if self._is_off or (self._running is not None and not self._running.done()):
            return False
        return now - self._asked_at >= _PAUSE_S or (is_needed and not self.failure)

    async def _ask(self, api: ApiDescription, now: float) -> None:
        length_s = min(self._length_s, round(min(now - self._answered_at, self._length_s)) + _OVERLAP_S)
        wanted = {"start_time": f"now-{length_s}", "skip_steps": "true", "users": self._client.user}
        params = {name: value for name, value in wanted.items() if name in api.history_parameters}
        try:
            answer = await self._client.get(api.history_path, **params)
        except FlowError as error:
            self.failure = f"ended jobs may be missing: {error}"
            return
        self._found += await decode_history(answer, self._client.user)
        self._answered_at, self.failure = now, ""


def _prefer_known(job: Job, table: JobTable) -> Job:
    """Returns an ended job as slurmctld reported it, if known: the accounting of Slurm 22.05 has wrong exit codes."""
    for known in table.get(job.task_id):
        if known.array_index == job.array_index and is_ended(known) and FORGOTTEN not in known.flags:
            return replace(known, cancelled_by=job.cancelled_by)
    return job
