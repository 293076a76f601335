"""The Mithril provider: machines of the cloud, through bids, as an implementation of the contract."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from flow_core.config import Context
from flow_core.errors import FlowError, Unsupported
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.mithril.config_schema import MithrilConfigSchema
from flow_core.providers.mithril.deferred_actions import DeferredActions
from flow_core.providers.mithril.instance_offers import MithrilInstances
from flow_core.providers.mithril.market import MithrilMarket
from flow_core.providers.mithril.reservations import MithrilReservations
from flow_core.providers.mithril.settings import read_settings
from flow_core.providers.mithril.shared_state import MithrilSession
from flow_core.providers.mithril.task_locator import MithrilLogSources, MithrilTaskLocator
from flow_core.providers.mithril.tasks import MithrilTasks
from flow_core.providers.mithril.volumes import MithrilVolumes
from flow_core.providers.over_ssh.ssh_access import SshAccess

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.prompter import Prompter
    from flow_core.providers.mithril.http import MithrilHttp
    from flow_core.providers.mithril.identity import MithrilIdentity
    from flow_core.providers.mithril.ssh_keys import MithrilSshKeys
    from flow_core.providers.over_ssh.logs import SpooledLogs
    from flow_core.providers.over_ssh.metrics import SshMetrics
    from flow_core.ssh.host import SshHost


_log = logging.getLogger("flow.mithril")
_FETCH_S = 5.0


class MithrilProvider(SshAccess, Provider):
    """A provider whose tasks are bids.

    Settings: api_key, api_url, project, region, ssh_keys, ssh_key, instance_type; or their MITHRIL_ variables.
    """

    poll = PollIntervals(busy_s=4.0, idle_s=15.0)

    def __init__(self, context: Context, prompter: Prompter | None = None) -> None:
        self._session = session = MithrilSession(context.name, read_settings(context.settings), prompter)
        self._tasks = MithrilTasks(session)
        self._locator = MithrilTaskLocator(session, self._tasks)
        self._deferred = DeferredActions(self._locator)

    @property
    def config_schema(self) -> MithrilConfigSchema:
        return MithrilConfigSchema()

    @cached_property
    def instances(self) -> MithrilInstances:
        return MithrilInstances(self._session.context, self._session.catalog)

    @cached_property
    def volumes(self) -> MithrilVolumes:
        return MithrilVolumes(self._session, self._tasks, self._deferred)

    @cached_property
    def reservations(self) -> MithrilReservations:
        return MithrilReservations(self._session)

    @property
    def ssh_keys(self) -> MithrilSshKeys:
        return self._session.ssh_keys

    @property
    def identity(self) -> MithrilIdentity:
        return self._session.identity

    @property
    def http(self) -> MithrilHttp:
        return self._session.http

    @cached_property
    def market(self) -> MithrilMarket:
        return MithrilMarket(self._session, self._tasks)

    # The facets over SSH are loaded on first use: a client that only lists tasks needs none of them.

    @cached_property
    def logs(self) -> SpooledLogs:
        from flow_core.providers.over_ssh.logs import SpooledLogs

        sources = MithrilLogSources(self._session.context, self._tasks)
        return SpooledLogs(sources, self._session.folder / "spools")

    @cached_property
    def metrics(self) -> SshMetrics:
        from flow_core.providers.over_ssh.metrics import SshMetrics

        return SshMetrics(self._locator, _refuse_metrics)

    async def submit(self, config: TaskConfig) -> TaskRecord:
        from flow_core.providers.mithril.submit import MithrilSubmission  # lazy import: not needed to list tasks

        submission = MithrilSubmission(self._session, self.volumes, config)
        task_id = await submission.run()
        if submission.code_to_send is not None:
            self._deferred.send_code(task_id, config.num_instances, submission.code_to_send, config.upload_timeout)
        return await self._tasks.get_record(task_id)

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        return await self._tasks.list_tasks(statuses, limit)

    async def get_task(self, task_id: str) -> TaskRecord:
        return await self._tasks.get_record(task_id)

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        """Fetches the rest of the logs first (a few seconds at most), then cancels the task.

        The machines are deleted together with their logs. `force` skips the logs.
        """
        if not force:
            await self._fetch_logs(task_id)
        await self._tasks.cancel(task_id)

    def describe_submit(self, config: TaskConfig) -> str:
        instance_types = ", ".join(config.instance_types) or self._session.settings.instance_type or "?"
        if config.min_gpu_memory_gb is not None:
            instance_types = f"any type with {config.min_gpu_memory_gb} GB per GPU"
        limit = config.max_price_per_hour
        if limit is None:
            price = f"the market price per instance with the margin of priority {config.priority}"
        else:
            price = f"${limit:.2f}/h per instance, ${limit * config.num_instances:.2f}/h total"
        request = f"{config.num_instances} x {instance_types}, at most {price}: {config.command_line}"
        return f"POST {self._session.settings.url}/v2/spot/bids: {request}"

    def describe_disclosure(self, config: TaskConfig) -> str:
        return ""

    def describe_cancel(self, task: TaskRecord) -> str:
        return f"DELETE {self._session.settings.url}/v2/spot/bids/{task.task_id}: ends its machines and their billing"

    async def _fetch_logs(self, task_id: str) -> None:
        snapshot = await self._tasks.get_snapshot(task_id, is_fresh=True)
        if not snapshot.is_reachable:
            return
        try:
            async with asyncio.timeout(_FETCH_S):
                logs = [self.logs.catch_up(address) for address in await self.logs.addresses(task_id)]
                await asyncio.gather(*logs)
        except (FlowError, TimeoutError) as error:
            _log.warning("a part of the log of %s may be lost: %s", task_id, str(error) or "it took too long to fetch")

    async def close(self) -> None:
        await self._deferred.close()
        if (tunnels := vars(self).get("tunnels")) is not None:
            await tunnels.close_all()
        if (logs := vars(self).get("logs")) is not None:
            await logs.aclose()
        await self._session.close()


async def _refuse_metrics(allocation_id: str) -> SshHost:
    raise Unsupported("an instance type of the cloud is no machine yet; look at the metrics of a task")
