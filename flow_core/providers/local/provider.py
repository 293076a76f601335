"""The local provider: this machine as an implementation of the contract."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.processes.tree import read_grace_s
from flow_core.agent.volumes import VolumeStore
from flow_core.config import Context, state_dir
from flow_core.errors import ProviderError, Unsupported
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.local.capacity.instances import LocalInstances
from flow_core.providers.local.capacity.reservations import LocalReservations
from flow_core.providers.local.logs import LocalLogs
from flow_core.providers.local.tasks import LocalTasks
from flow_core.providers.local.volumes import LocalVolumes
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.over_agent.pruning_setting import parse_prune_after_days

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.prompter import Prompter
    from flow_core.providers.local.config_schema import LocalConfigSchema
    from flow_core.providers.local.identity import LocalIdentity
    from flow_core.providers.local.metrics import LocalMetrics
    from flow_core.providers.local.pruning import LocalPruning
    from flow_core.providers.local.sshd.endpoint import LocalEndpoints
    from flow_core.providers.local.task_access.shells import LocalShells
    from flow_core.providers.local.task_access.task_commands import LocalTaskCommands
    from flow_core.providers.local.task_access.tunnels import LocalTunnels
    from flow_core.providers.local.task_access.uploads import LocalUploads


class LocalProvider(Provider):
    """A provider whose tasks are processes of this machine.

    Settings: `region` (a name for this machine), `gpus` (declared ones, to try things out), `container` (podman or
    docker), `prune_after_days`. It never prompts the user.
    """

    poll = PollIntervals(busy_s=1.0, idle_s=2.0)

    def __init__(self, context: Context, prompter: Prompter | None = None) -> None:
        if sys.platform not in ("linux", "darwin"):
            raise Unsupported("local tasks need Linux or macOS; add a context for a machine that runs one of them")
        self._region = str(context.settings.get("region") or platform.node() or "this machine")
        self._context, self._settings, self._gpus = context.name, context.settings, context.settings.get("gpus")
        layout = Layout(state_dir().absolute() / "local" / get_machine_id(), context.name)
        try:
            check_folders(layout.root, layout.context)
        except OSError as error:
            raise ProviderError(f"the state directory can't be used: {error.strerror}") from error
        self._root = layout.root
        self._layout, self._prune_after_days = layout, parse_prune_after_days(context.settings)
        self._tasks = LocalTasks(layout, self._region)
        self._volumes = VolumeStore(layout, self._region, self._tasks)

    @property
    def prune_after_days(self) -> float | None:
        return self._prune_after_days

    @cached_property
    def logs(self) -> LocalLogs:
        return LocalLogs(self._context, self._tasks)

    @cached_property
    def instances(self) -> LocalInstances:
        return LocalInstances(self._layout, self._region, self._gpus)

    @cached_property
    def volumes(self) -> LocalVolumes:
        return LocalVolumes(self._volumes)

    @cached_property
    def reservations(self) -> LocalReservations:
        return LocalReservations(self._layout, self._region, self._gpus)

    # The facets below are loaded on first use: a client that only lists tasks needs none of them.

    @cached_property
    def shells(self) -> LocalShells:
        from flow_core.providers.local.task_access.shells import LocalShells

        return LocalShells(self._tasks, self.endpoints)

    @cached_property
    def remote(self) -> LocalTaskCommands:
        from flow_core.providers.local.task_access.task_commands import LocalTaskCommands

        return LocalTaskCommands(self._tasks)

    @cached_property
    def endpoints(self) -> LocalEndpoints:
        from flow_core.providers.local.sshd.endpoint import LocalEndpoints

        return LocalEndpoints(self._root, self._tasks)

    @cached_property
    def tunnels(self) -> LocalTunnels:
        from flow_core.providers.local.task_access.tunnels import LocalTunnels

        return LocalTunnels(self._tasks)

    @cached_property
    def uploads(self) -> LocalUploads:
        from flow_core.providers.local.task_access.uploads import LocalUploads

        return LocalUploads(self._tasks)

    @cached_property
    def metrics(self) -> LocalMetrics:
        from flow_core.providers.local.metrics import LocalMetrics

        return LocalMetrics(self._tasks, self.instances)

    @cached_property
    def pruning(self) -> LocalPruning:
        from flow_core.providers.local.pruning import LocalPruning

        return LocalPruning(self._layout, self._prune_after_days)

    @cached_property
    def identity(self) -> LocalIdentity:
        from flow_core.providers.local.identity import LocalIdentity

        return LocalIdentity(self._context)

    @cached_property
    def config_schema(self) -> LocalConfigSchema:
        from flow_core.providers.local.config_schema import LocalConfigSchema

        return LocalConfigSchema()

    async def submit(self, config: TaskConfig) -> TaskRecord:
        from flow_core.providers.local.submit import submit_task  # lazy import: not needed to list tasks

        task_id = await call_agent(submit_task, config, self._volumes, self._settings)
        return await self.get_task(task_id)

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        return await call_agent(self._tasks.list_records, statuses, limit)

    async def get_task(self, task_id: str) -> TaskRecord:
        return await call_agent(self._tasks.record, task_id)

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        await call_agent(self._tasks.cancel, task_id, force=force)

    def describe_submit(self, config: TaskConfig) -> str:
        from flow_core.agent.submit import build_argv
        from flow_core.providers.local.container_preview import describe_container

        is_process = config.image is None
        return shlex.join(build_argv(config.command) if is_process else describe_container(config, self._settings))

    def describe_disclosure(self, config: TaskConfig) -> str:
        return ""

    def describe_cancel(self, task: TaskRecord) -> str:
        if not task.processes and task.started_at is not None:
            return f"cancel the remaining attempts of {task.task_id}"
        if not task.processes:
            return f"remove {task.task_id} from the queue"
        first, others = task.processes[0], len(task.processes) - 1
        if first.container:
            target = f"{first.container} and {others} other containers" if others else first.container
            return f"SIGTERM to every process in {target}, {first.engine} kill after {read_grace_s():g} s"
        target = f"pid {first.pid} and the main processes of {others} other instances" if others else f"pid {first.pid}"
        return f"SIGTERM to {target} and every process below it, SIGKILL after {read_grace_s():g} s"

    async def close(self) -> None:
        """Closes the tunnels; the provider has no other connections."""
        if (tunnels := vars(self).get("tunnels")) is not None:
            await tunnels.close_all()
