"""Changes to queued and running tasks through slurmrestd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, ConfigError, Conflict, Unsupported
from flow_core.models.scheduling import SIGNALS
from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.rest.job_fields import build_number
from flow_core.providers.slurm.rest.rest_answer import AccessDenied

if TYPE_CHECKING:
    from flow_core.models.scheduling import StartEstimate
    from flow_core.models.task import TaskRecord
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.rest.job_queue import RestJobQueue
    from flow_core.providers.slurm.rest.rest_client import SlurmRestClient

_HOURS_MAX = 24 * 366
_REQUEUE = "slurmrestd can't queue a task again; submit it again, or use a context with SSH"


class RestScheduling:
    """The changes that slurmrestd can make to a job. All elements of an array change together."""

    def __init__(self, client: SlurmRestClient, queue: RestJobQueue) -> None:
        self._client = client
        self._queue = queue

    async def hold(self, task_id: str) -> None:
        record = await self._queue.get(task_id, max_age_s=0)
        if record.status is not TaskStatus.PENDING:
            raise Conflict(f"{record.name} is {record.status.value}; only a pending task can be held")
        await self._update(record, hold=True)

    async def release(self, task_id: str) -> None:
        await self._update(await self._find_open(task_id), hold=False)

    async def requeue(self, task_id: str) -> None:
        await self._queue.get(task_id)
        raise Unsupported(_REQUEUE)

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        if isinstance(hours, bool) or not math.isfinite(hours) or not 0 < hours <= _HOURS_MAX:
            raise ConfigError("hours: must be more than 0 and at most a year", field="hours")
        record = await self._find_open(task_id)
        api = await self._client.describe()
        form = api.job_fields.get("time_limit", "struct") if api.is_parsed else "whole"
        try:
            await self._update(record, time_limit=build_number(_round_up(hours), form))
        except AccessDenied as error:
            raise AuthError(
                "only an operator of the cluster may raise the time limit of a job; a user may only lower it"
            ) from error

    async def signal(self, task_id: str, signal_name: str) -> None:
        if signal_name not in SIGNALS:
            raise ConfigError(f"signal: must be one of {', '.join(SIGNALS)}", field="signal")
        record = await self._queue.get(task_id, max_age_s=0)
        if not record.is_running:
            raise Conflict(f"{record.name} is {record.status.value}; only a running task gets signals")
        await self._client.delete(f"job/{record.task_id}", signal=signal_name.removeprefix("SIG"))
        self._queue.expire()

    async def estimate_start(self, config: TaskConfig) -> StartEstimate | None:
        return None

    async def watch_everyone(self, on: bool) -> None:
        self._queue.watch_everyone(on)

    def describe_hold(self, task: TaskRecord) -> str:
        return f'{self._describe(task)}: {{"hold": true}}'

    def describe_release(self, task: TaskRecord) -> str:
        return f'{self._describe(task)}: {{"hold": false}}'

    def describe_requeue(self, task: TaskRecord) -> str:
        return _REQUEUE

    def describe_set_time_limit(self, task: TaskRecord, hours: float) -> str:
        return f'{self._describe(task)}: {{"time_limit": {_round_up(hours)}}}'

    def describe_signal(self, task: TaskRecord, signal_name: str) -> str:
        return f"{describe_call(self._client, 'DELETE', task)}?signal={signal_name.removeprefix('SIG')}"

    async def _find_open(self, task_id: str) -> TaskRecord:
        record = await self._queue.get(task_id, max_age_s=0)
        if record.is_terminal:
            raise Conflict(f"{record.name} has already ended ({record.status.value})")
        return record

    async def _update(self, record: TaskRecord, **fields: object) -> None:
        await self._client.update(f"job/{record.task_id}", fields)
        self._queue.expire()

    def _describe(self, task: TaskRecord) -> str:
        return describe_call(self._client, "POST", task)


def _round_up(hours: float) -> int:
    """Returns minutes: Slurm counts whole ones, and a shorter limit would end the job early."""
    return max(1, math.ceil(hours * 60 - 1e-6))


def describe_call(client: SlurmRestClient, method: str, task: TaskRecord) -> str:
    """Returns a call about a job, for the user to read. Makes no request."""
    api = client.known_description
    version = "v0.0.*" if api is None else api.name
    return f"{method} {client.url}/slurm/{version}/job/{task.task_id}"
