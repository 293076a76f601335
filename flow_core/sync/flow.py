"""Flow: the blocking client of one context, composed of one resource per noun."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from flow_core.client.flow import AsyncFlow
from flow_core.client.resource_descriptor import ClientPart
from flow_core.config import Config, Context
from flow_core.sync.account import AccountResource
from flow_core.sync.dev import DevEnvironment
from flow_core.sync.instances import InstanceResource
from flow_core.sync.loop_thread import close_at_exit, run_sync
from flow_core.sync.reservations import ReservationResource
from flow_core.sync.ssh_keys import SshKeyResource
from flow_core.sync.task_access import TaskAccessResource
from flow_core.sync.task_logs import TaskLogResource
from flow_core.sync.tasks import TaskResource
from flow_core.sync.twin import copy_docstring
from flow_core.sync.volumes import VolumeResource

if TYPE_CHECKING:
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider


class Flow:
    """The client of one context, for scripts and notebooks; any thread may call. Each error is a FlowError.

    Each resource is an attribute, such as `flow.tasks` or `flow.volumes`. The flat names of the SDK reference, such as
    `flow.create_volume`, call these resources.
    `context` is a name, or a Context; without one: `$FLOW_CONTEXT`, otherwise the config's default, otherwise `local`,
    this machine. Close it, or use it in a `with`; tasks continue to run.
    """

    tasks = ClientPart(lambda flow: TaskResource(flow.aio.tasks))
    task_logs = ClientPart(lambda flow: TaskLogResource(flow.aio.task_logs))
    task_access = ClientPart(lambda flow: TaskAccessResource(flow.aio.task_access))
    instances = ClientPart(lambda flow: InstanceResource(flow.aio.instances))
    volumes = ClientPart(lambda flow: VolumeResource(flow.aio.volumes))
    reservations = ClientPart(lambda flow: ReservationResource(flow.aio.reservations))
    ssh_keys = ClientPart(lambda flow: SshKeyResource(flow.aio.ssh_keys))
    account = ClientPart(lambda flow: AccountResource(flow.aio.account))

    def __init__(self, context: Context | str | None = None, *, config: Config | None = None, **published: Any) -> None:
        self._flow = AsyncFlow(context, config=config, **published)
        close_at_exit(self._flow)

    def __enter__(self) -> Flow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def aio(self) -> AsyncFlow:
        """The async client behind this one. It runs on the private loop: don't await its coroutines on another loop."""
        return self._flow

    @property
    def context(self) -> Context:
        """The context in which its tasks run."""
        return self._flow.context

    @property
    def dev(self) -> DevEnvironment:
        """The dev VM of this user. The first call that needs it starts it."""
        return self.dev_context()

    @copy_docstring(AsyncFlow.close)
    def close(self) -> None:
        run_sync(self._flow.close())

    @copy_docstring(AsyncFlow.dev_context)
    def dev_context(self, auto_stop: bool = False) -> DevEnvironment:
        return DevEnvironment(self._flow.dev_context(auto_stop))

    @copy_docstring(AsyncFlow.provider_port)
    def provider_port(self) -> Provider:
        return self._flow.provider_port()

    @copy_docstring(AsyncFlow.get_provider_init)
    def get_provider_init(self) -> IProviderInit:
        return self._flow.get_provider_init()

    run = tasks.forward(TaskResource.run)
    submit = tasks.forward(TaskResource.submit)
    status = tasks.forward(TaskResource.status)
    cancel = tasks.forward(TaskResource.cancel)
    get_task = tasks.forward(TaskResource.get)
    list_tasks = tasks.forward(TaskResource.list)
    wait_for_ssh = tasks.forward(TaskResource.wait_for_ssh)
    task_metrics = tasks.forward(TaskResource.metrics)
    task_history = tasks.forward(TaskResource.history)
    set_limit_price = tasks.forward(TaskResource.set_limit_price)
    pause_task = tasks.forward(TaskResource.pause)
    resume_task = tasks.forward(TaskResource.resume)
    hold_task = tasks.forward(TaskResource.hold)
    release_task = tasks.forward(TaskResource.release)
    requeue_task = tasks.forward(TaskResource.requeue)
    set_time_limit = tasks.forward(TaskResource.set_time_limit)
    signal_task = tasks.forward(TaskResource.signal)
    estimate_start = tasks.forward(TaskResource.estimate_start)
    watch_everyone = tasks.forward(TaskResource.watch_everyone)
    plan_pruning = tasks.forward(TaskResource.plan_pruning)
    prune_tasks = tasks.forward(TaskResource.prune)

    logs = task_logs.forward(TaskLogResource.read)
    log_stream = task_logs.forward(TaskLogResource.stream)
    search_logs = task_logs.forward(TaskLogResource.search)
    find_failure_cause = task_logs.forward(TaskLogResource.find_cause)

    shell = task_access.forward(TaskAccessResource.shell)
    upload_code_to_task = task_access.forward(TaskAccessResource.upload_code)
    put_file = task_access.forward(TaskAccessResource.put_file)
    get_file = task_access.forward(TaskAccessResource.get_file)
    resolve_ssh_endpoint = task_access.forward(TaskAccessResource.ssh_endpoint)
    get_task_ssh_connection_info = task_access.forward(TaskAccessResource.ssh_connection_info)
    get_remote_operations = task_access.forward(TaskAccessResource.remote_operations)
    get_ssh_tunnel_manager = task_access.forward(TaskAccessResource.tunnel_manager)

    find_instances = instances.forward(InstanceResource.find)
    normalize_instance_request = instances.forward(InstanceResource.normalize)
    price_history = instances.forward(InstanceResource.prices)
    instance_metrics = instances.forward(InstanceResource.metrics)
    get_task_instances = instances.forward(InstanceResource.of_task)

    create_volume = volumes.forward(VolumeResource.create)
    delete_volume = volumes.forward(VolumeResource.delete)
    list_volumes = volumes.forward(VolumeResource.list)
    mount_volume = volumes.forward(VolumeResource.mount)

    reserve = reservations.forward(ReservationResource.create)
    list_reservations = reservations.forward(ReservationResource.list)
    get_reservation = reservations.forward(ReservationResource.get)
    cancel_reservation = reservations.forward(ReservationResource.cancel)
    reservation_availability = reservations.forward(ReservationResource.availability)

    list_ssh_keys = ssh_keys.forward(SshKeyResource.list)
    list_platform_ssh_keys = ssh_keys.forward(SshKeyResource.list_platform)
    create_platform_ssh_key = ssh_keys.forward(SshKeyResource.create)
    delete_platform_ssh_key = ssh_keys.forward(SshKeyResource.delete)
    ensure_default_ssh_key = ssh_keys.forward(SshKeyResource.ensure_default)
    get_ssh_key_manager = ssh_keys.forward(SshKeyResource.manager)

    list_projects = account.forward(AccountResource.projects)
    get_user = account.forward(AccountResource.user)
    get_user_teammates = account.forward(AccountResource.teammates)
    quotas = account.forward(AccountResource.quotas)
