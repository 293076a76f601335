"""The provider of Slurm clusters."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from flow_core.config import Context, state_dir
from flow_core.errors import Unsupported
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.over_ssh.ssh_access import SshAccess
from flow_core.providers.slurm.job_nodes import JobNodeLookup
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.queue.job_poller import JobPoller
from flow_core.providers.slurm.settings import parse_settings
from flow_core.providers.slurm.task_locator import SlurmTaskLocator

if TYPE_CHECKING:
    from flow_core.models.scheduling import ScriptSummary
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.access import EndpointFacet
    from flow_core.providers.over_ssh.logs import SpooledLogs
    from flow_core.providers.over_ssh.metrics import SshMetrics
    from flow_core.providers.over_ssh.task_nodes import Host
    from flow_core.providers.slurm.config_schema import SlurmConfigSchema
    from flow_core.providers.slurm.discovery.cluster_reader import ClusterReader
    from flow_core.providers.slurm.discovery.instances import SlurmInstances
    from flow_core.providers.slurm.reservations import SlurmReservations
    from flow_core.providers.slurm.scheduling import SlurmScheduling
    from flow_core.providers.slurm.submit.site import Site
    from flow_core.providers.slurm.volumes import SlurmVolumes


class SlurmProvider(SshAccess, Provider):
    """A provider that runs Slurm's commands on a login node, over SSH or on this machine.

    Settings: see `settings.SETTINGS`. One poller asks for all jobs, for every facet.
    """

    def __init__(self, context: Context, prompter: Prompter | None = None) -> None:
        self._context = context.name
        self._settings = parse_settings(context.settings)
        self._pool = HostPool(prompter, self._settings.login_timeout_s)
        self._login_node = LoginNode(self._settings, self._pool)
        self._poller = JobPoller(self._login_node, self._settings, context.name)
        self._job_nodes = JobNodeLookup(self._login_node, self._settings)
        self._locator = SlurmTaskLocator(self._login_node, self._settings, self._poller, self._job_nodes)

    @property
    def poll(self) -> PollIntervals:
        return PollIntervals(busy_s=self._settings.poll_s, idle_s=self._settings.poll_s)

    # The facets are loaded on first use: a client that only lists tasks needs none of them.

    @cached_property
    def instances(self) -> SlurmInstances:
        from flow_core.providers.slurm.discovery.instances import SlurmInstances

        return SlurmInstances(self._reader, self._context)

    @cached_property
    def volumes(self) -> SlurmVolumes:
        from flow_core.providers.slurm.volumes import SlurmVolumes

        return SlurmVolumes(self._login_node, self._settings, self._context)

    @cached_property
    def reservations(self) -> SlurmReservations:
        from flow_core.providers.slurm.reservations import SlurmReservations

        return SlurmReservations(self._login_node, self._reader, self._settings, self._context)

    @cached_property
    def scheduling(self) -> SlurmScheduling:
        from flow_core.providers.slurm.scheduling import SlurmScheduling

        return SlurmScheduling(self._login_node, self._settings, self._poller, lambda: self._site)

    @cached_property
    def logs(self) -> SpooledLogs:
        from flow_core.providers.over_ssh.logs import SpooledLogs
        from flow_core.providers.slurm.log_sources import SlurmLogSources
        from flow_core.providers.slurm.script_output import ScriptOutput

        output = ScriptOutput(self._login_node, self._settings, self._job_nodes)
        sources = SlurmLogSources(self._context, self._login_node, self._poller, output)
        return SpooledLogs(sources, state_dir().absolute() / "slurm" / "logs")

    @cached_property
    def metrics(self) -> SshMetrics:
        from flow_core.providers.over_ssh.metrics import SshMetrics

        return SshMetrics(self._locator, _refuse_metrics)

    @cached_property
    def endpoints(self) -> EndpointFacet | None:
        """The SSH endpoints of tasks: their login node, as only that one can be reached. None on this machine."""
        if self._settings.host is None:
            return None
        from flow_core.providers.over_ssh.endpoints import SshEndpoints

        return SshEndpoints(self._locator)

    @cached_property
    def config_schema(self) -> SlurmConfigSchema:
        from flow_core.providers.slurm.config_schema import SlurmConfigSchema

        return SlurmConfigSchema()

    @cached_property
    def _reader(self) -> ClusterReader:
        from flow_core.providers.slurm.discovery.cluster_reader import ClusterReader

        return ClusterReader(self._login_node, self._settings)

    @cached_property
    def _site(self) -> Site:
        from flow_core.providers.slurm.submit.site import Site

        return Site(self._login_node, self._settings)

    async def submit(self, config: TaskConfig) -> TaskRecord:
        from flow_core.providers.slurm.submit.submission import SlurmSubmission  # lazy import: not needed to list tasks

        submission, job_id = await SlurmSubmission(config, self._login_node, self._settings, self._site).run()
        return self._poller.note_submitted(submission, job_id)

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        listing = await self._poller.list_jobs()
        if statuses is None and limit is None:
            return listing
        selected = [record for record in listing if statuses is None or record.status in statuses]
        return Listing.of(selected[:limit], self._poller.unreadable)

    async def get_task(self, task_id: str) -> TaskRecord:
        return await self._poller.get(task_id)

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        from flow_core.providers.slurm.cancellation import cancel_job  # lazy import: not needed to list tasks

        await cancel_job(self._login_node, self._settings, self._poller, task_id, force=force)

    def describe_submit(self, config: TaskConfig) -> str:
        from flow_core.providers.slurm.submit.submission import describe_submission  # lazy import: rarely needed

        return describe_submission(config, self._settings, self._site)

    def describe_disclosure(self, config: TaskConfig) -> str:
        return ""

    def summarize_script(self, command: str) -> ScriptSummary | None:
        from flow_core.providers.slurm.submit.script_summary import summarize_script  # lazy import: rarely needed

        return summarize_script(command)

    def describe_cancel(self, task: TaskRecord) -> str:
        from flow_core.providers.slurm.cancellation import build_cancel_command  # lazy import: rarely needed

        return f"{build_cancel_command(self._settings, task)}  (on {self._login_node.title})"

    async def close(self) -> None:
        """Closes all connections. Jobs continue. Calling it again is safe."""
        if (logs := vars(self).get("logs")) is not None:
            await logs.aclose()
        if (tunnels := vars(self).get("tunnels")) is not None:
            await tunnels.close_all()
        await self._poller.close()
        await self._login_node.close()
        await self._pool.close()


async def _refuse_metrics(allocation_id: str) -> Host:
    raise Unsupported("the metrics of a node are available only while one of your tasks runs there")
