"""The provider of machines reached over SSH."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from flow_core.config import Context, state_dir
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.hosts.agent_client import AgentClient, gather_all
from flow_core.providers.hosts.host_state import HostState
from flow_core.providers.hosts.host_tasks import HostTasks, select_records
from flow_core.providers.hosts.instances import HostInstances
from flow_core.providers.hosts.machine_settings import parse_machines
from flow_core.providers.hosts.s3_credentials import describe_disclosure, parse_send_credentials
from flow_core.providers.hosts.task_locator import HostLogSources, HostTaskLocator
from flow_core.providers.hosts.volumes import HostVolumes
from flow_core.providers.over_agent.pruning_setting import parse_prune_after_days
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.over_ssh.login_timeout import parse_login_timeout
from flow_core.providers.over_ssh.ssh_access import SshAccess

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.prompter import Prompter
    from flow_core.providers.hosts.config_schema import HostsConfigSchema
    from flow_core.providers.hosts.pruning import HostPruning
    from flow_core.providers.hosts.reservations import HostReservations
    from flow_core.providers.over_ssh.logs import SpooledLogs
    from flow_core.providers.over_ssh.metrics import SshMetrics


class HostsProvider(SshAccess, Provider):
    """A provider whose machines need an SSH server and Python 3.8. Every client finds the tasks there.

    Settings: `hosts` (names of ~/.ssh/config, or tables with more settings), and the rest of `machines.SETTINGS`.
    """

    poll = PollIntervals(busy_s=2.0, idle_s=5.0)

    def __init__(self, context: Context, prompter: Prompter | None = None) -> None:
        self._context, self._settings = context.name, context.settings
        self._prune_after_days = parse_prune_after_days(context.settings)
        parse_send_credentials(context.settings)
        self._pool = HostPool(prompter, parse_login_timeout(context.settings))
        hosts = [AgentClient(machine, self._pool, context.name) for machine in parse_machines(context.settings)]
        self._tasks = HostTasks(context.name, [HostState(context.name, agent) for agent in hosts])
        self._locator = HostTaskLocator(context.name, self._tasks)

    @property
    def prune_after_days(self) -> float | None:
        return self._prune_after_days

    @cached_property
    def instances(self) -> HostInstances:
        return HostInstances(self._context, self._tasks)

    @cached_property
    def volumes(self) -> HostVolumes:
        return HostVolumes(self._context, self._tasks)

    # The facets below are loaded on first use: a client that only lists tasks needs none of them.

    @cached_property
    def logs(self) -> SpooledLogs:
        from flow_core.providers.over_ssh.logs import SpooledLogs

        return SpooledLogs(HostLogSources(self._context, self._tasks), state_dir().absolute() / "hosts" / "logs")

    @cached_property
    def metrics(self) -> SshMetrics:
        from flow_core.providers.over_ssh.metrics import SshMetrics

        return SshMetrics(self._locator, self._tasks.get_ssh_host)

    @cached_property
    def reservations(self) -> HostReservations:
        from flow_core.providers.hosts.reservations import HostReservations

        return HostReservations(self._context, self._tasks)

    @cached_property
    def pruning(self) -> HostPruning:
        from flow_core.providers.hosts.pruning import HostPruning

        return HostPruning(self._context, self._tasks, self._prune_after_days)

    @cached_property
    def config_schema(self) -> HostsConfigSchema:
        from flow_core.providers.hosts.config_schema import HostsConfigSchema

        return HostsConfigSchema()

    async def submit(self, config: TaskConfig) -> TaskRecord:
        from flow_core.providers.hosts.submit import HostSubmission  # lazy import: not needed to list tasks

        task_id = await HostSubmission(config, self._tasks, self.volumes, self.reservations, self._settings).run()
        return await self._tasks.get(task_id)

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        return Listing.of(
            select_records(await self._tasks.list_all(), statuses, limit), self._tasks.describe_unreadable()
        )

    async def get_task(self, task_id: str) -> TaskRecord:
        return await self._tasks.get(task_id)

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        hosts = await self._tasks.find(task_id)
        unfinished = [host for host in hosts if not host.reports[task_id].is_over or host.reports[task_id].is_broken]
        await gather_all(host.agent.call("cancel", task_id=task_id, force=force) for host in unfinished)

    def describe_submit(self, config: TaskConfig) -> str:
        hosts = [host.agent.name for host in self._tasks.hosts]
        host = hosts[0] if len(hosts) == 1 else f"<one of {', '.join(hosts)}>"
        disclosed = self.describe_disclosure(config)
        return f"ssh {host} sh -c {shlex.quote(config.command_line)}" + (f"  (with {disclosed})" if disclosed else "")

    def describe_disclosure(self, config: TaskConfig) -> str:
        return describe_disclosure(config, self._settings)

    def describe_cancel(self, task: TaskRecord) -> str:
        host = task.instances[0] if task.instances else "the machine"
        if not task.processes and task.started_at is None:
            return f"remove {task.task_id} from the queue of {host}"
        if not task.processes:
            return f"cancel the remaining attempts of {task.task_id} on {host}"
        first = task.processes[0]
        return f"on {first.host}: SIGTERM to pid {first.pid} and every process of {task.task_id}, SIGKILL after 5 s"

    async def close(self) -> None:
        """Closes all connections. Tasks continue. Calling it again is safe."""
        if (logs := vars(self).get("logs")) is not None:
            await logs.aclose()
        if (tunnels := vars(self).get("tunnels")) is not None:
            await tunnels.close_all()
        await self._tasks.close()
        await self._pool.close()
