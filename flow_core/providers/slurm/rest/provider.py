"""The provider of Slurm clusters that are reached through slurmrestd only."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from flow_core.config import Context
from flow_core.errors import ConfigError
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.slurm.rest.cluster import RestCluster
from flow_core.providers.slurm.rest.job_queue import RestJobQueue
from flow_core.providers.slurm.rest.rest_client import SlurmRestClient
from flow_core.providers.slurm.rest.scheduling import RestScheduling, describe_call
from flow_core.providers.slurm.settings import parse_settings

if TYPE_CHECKING:
    from flow_core.models.scheduling import ScriptSummary
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.config_schema import SlurmConfigSchema
    from flow_core.providers.slurm.discovery.instances import SlurmInstances


class SlurmRestProvider(Provider):
    """A provider that controls tasks through slurmrestd.

    It has no logs, no shells and no uploads: slurmrestd gives no access to files or nodes. Settings: see
    `settings.SETTINGS`. One poller asks for all jobs, for every facet.
    """

    def __init__(self, context: Context) -> None:
        self._context = context.name
        self._settings = parse_settings(context.settings)
        if self._settings.cluster is not None:
            raise ConfigError(
                "cluster: slurmrestd serves one cluster; leave cluster out, and set rest_url to that of the cluster",
                field="cluster",
            )
        self._client = SlurmRestClient(self._settings)
        self._queue = RestJobQueue(self._client, self._settings, context.name)
        self._cluster = RestCluster(self._client, self._settings)

    @property
    def poll(self) -> PollIntervals:
        return PollIntervals(busy_s=self._settings.poll_s, idle_s=self._settings.poll_s)

    @cached_property
    def scheduling(self) -> RestScheduling:
        return RestScheduling(self._client, self._queue)

    # The rest is loaded on first use: a client that only lists tasks needs none of it.

    @cached_property
    def instances(self) -> SlurmInstances:
        from flow_core.providers.slurm.discovery.instances import SlurmInstances

        return SlurmInstances(self._cluster, self._context)

    @cached_property
    def config_schema(self) -> SlurmConfigSchema:
        from flow_core.providers.slurm.config_schema import SlurmConfigSchema

        return SlurmConfigSchema()

    async def submit(self, config: TaskConfig) -> TaskRecord:
        from flow_core.providers.slurm.rest.submission import RestSubmission  # lazy import: not needed to list tasks

        submission, job_id = await RestSubmission(
            config, self._client, self._queue, self._cluster, self._settings
        ).run()
        return self._queue.note_submitted(submission, job_id)

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        listing = await self._queue.list_jobs()
        selected = (record for record in listing if statuses is None or record.status in statuses)
        return Listing.of(tuple(selected)[:limit], self._queue.unreadable)

    async def get_task(self, task_id: str) -> TaskRecord:
        return await self._queue.get(task_id)

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        """Cancels the job: SIGTERM, and SIGKILL after the KillWait of the site, also with `force`."""
        record = await self._queue.get(task_id)
        if record.is_terminal:
            return
        await self._client.delete(f"job/{record.task_id}")
        self._queue.expire()

    def describe_submit(self, config: TaskConfig) -> str:
        from flow_core.providers.slurm.rest.submission import describe_submission  # lazy import: rarely needed

        return describe_submission(config, self._client, self._cluster, self._settings)

    def describe_disclosure(self, config: TaskConfig) -> str:
        return ""

    def summarize_script(self, command: str) -> ScriptSummary | None:
        from flow_core.providers.slurm.submit.script_summary import summarize_script  # lazy import: rarely needed

        return summarize_script(command)

    def describe_cancel(self, task: TaskRecord) -> str:
        return describe_call(self._client, "DELETE", task)

    async def close(self) -> None:
        """Closes all connections. Jobs continue. Calling it again is safe."""
        await self._queue.close()
        await self._client.close()
