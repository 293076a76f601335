"""Flow: the blocking client of one context, composed of one resource per noun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.client.resource_descriptor import ClientPart
from flow_core.lazy_module import LazyModule

if TYPE_CHECKING:
    from types import TracebackType

    import flow_core.sync.account as _account
    import flow_core.sync.instances as _instances
    import flow_core.sync.reservations as _reservations
    import flow_core.sync.ssh_keys as _ssh_keys
    import flow_core.sync.task_access as _task_access
    import flow_core.sync.task_logs as _task_logs
    import flow_core.sync.tasks as _tasks
    import flow_core.sync.volumes as _volumes
    from flow_core.client.flow import AsyncFlow
    from flow_core.config import Config, Context
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider
    from flow_core.sync.dev import DevEnvironment
else:
    _account = LazyModule("flow_core.sync.account")
    _instances = LazyModule("flow_core.sync.instances")
    _reservations = LazyModule("flow_core.sync.reservations")
    _ssh_keys = LazyModule("flow_core.sync.ssh_keys")
    _task_access = LazyModule("flow_core.sync.task_access")
    _task_logs = LazyModule("flow_core.sync.task_logs")
    _tasks = LazyModule("flow_core.sync.tasks")
    _volumes = LazyModule("flow_core.sync.volumes")


class Flow:
    """The client of one context, for scripts and notebooks; any thread may call. Each error is a FlowError.

    Each resource is an attribute, such as `flow.tasks` or `flow.volumes`. The flat names of the SDK reference, such as
    `flow.create_volume`, call these resources.
    `context` is a name, or a Context; without one: `$FLOW_CONTEXT`, otherwise the config's default, otherwise `local`,
    this machine. Close it, or use it in a `with`; tasks continue to run.
    """

    tasks = ClientPart(lambda flow: _tasks.TaskResource(flow.aio.tasks))
    task_logs = ClientPart(lambda flow: _task_logs.TaskLogResource(flow.aio.task_logs))
    task_access = ClientPart(lambda flow: _task_access.TaskAccessResource(flow.aio.task_access))
    instances = ClientPart(lambda flow: _instances.InstanceResource(flow.aio.instances))
    volumes = ClientPart(lambda flow: _volumes.VolumeResource(flow.aio.volumes))
    reservations = ClientPart(lambda flow: _reservations.ReservationResource(flow.aio.reservations))
    ssh_keys = ClientPart(lambda flow: _ssh_keys.SshKeyResource(flow.aio.ssh_keys))
    account = ClientPart(lambda flow: _account.AccountResource(flow.aio.account))

    def __init__(self, context: Context | str | None = None, *, config: Config | None = None, **published: Any) -> None:
        # Lazy imports here and above: a script that only imports Flow must not load asyncio.
        from flow_core.client.flow import AsyncFlow
        from flow_core.sync.loop_thread import close_at_exit

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

    def close(self) -> None:
        """Closes the provider. Calling it again is safe. Tasks continue to run. Later calls raise FlowError."""
        from flow_core.sync.loop_thread import run_sync

        run_sync(self._flow.close())

    def dev_context(self, auto_stop: bool = False) -> DevEnvironment:
        """Returns the dev VM of this user: entering starts it, leaving stops it only with `auto_stop`."""
        from flow_core.sync.dev import DevEnvironment

        return DevEnvironment(self._flow.dev_context(auto_stop))

    def provider_port(self) -> Provider:
        """Returns the provider itself, with all its facets, without gate and audit log."""
        return self._flow.provider_port()

    def get_provider_init(self) -> IProviderInit:
        """Returns the settings that the provider needs before you can use it."""
        return self._flow.get_provider_init()

    run = tasks.forward(lambda: _tasks.TaskResource.run)
    submit = tasks.forward(lambda: _tasks.TaskResource.submit)
    status = tasks.forward(lambda: _tasks.TaskResource.status)
    cancel = tasks.forward(lambda: _tasks.TaskResource.cancel)
    get_task = tasks.forward(lambda: _tasks.TaskResource.get)
    list_tasks = tasks.forward(lambda: _tasks.TaskResource.list)
    wait_for_ssh = tasks.forward(lambda: _tasks.TaskResource.wait_for_ssh)
    task_metrics = tasks.forward(lambda: _tasks.TaskResource.metrics)
    task_history = tasks.forward(lambda: _tasks.TaskResource.history)
    set_limit_price = tasks.forward(lambda: _tasks.TaskResource.set_limit_price)
    pause_task = tasks.forward(lambda: _tasks.TaskResource.pause)
    resume_task = tasks.forward(lambda: _tasks.TaskResource.resume)
    hold_task = tasks.forward(lambda: _tasks.TaskResource.hold)
    release_task = tasks.forward(lambda: _tasks.TaskResource.release)
    requeue_task = tasks.forward(lambda: _tasks.TaskResource.requeue)
    set_time_limit = tasks.forward(lambda: _tasks.TaskResource.set_time_limit)
    signal_task = tasks.forward(lambda: _tasks.TaskResource.signal)
    estimate_start = tasks.forward(lambda: _tasks.TaskResource.estimate_start)
    watch_everyone = tasks.forward(lambda: _tasks.TaskResource.watch_everyone)
    plan_pruning = tasks.forward(lambda: _tasks.TaskResource.plan_pruning)
    prune_tasks = tasks.forward(lambda: _tasks.TaskResource.prune)

    logs = task_logs.forward(lambda: _task_logs.TaskLogResource.read)
    log_stream = task_logs.forward(lambda: _task_logs.TaskLogResource.stream)
    search_logs = task_logs.forward(lambda: _task_logs.TaskLogResource.search)
    find_failure_cause = task_logs.forward(lambda: _task_logs.TaskLogResource.find_cause)

    shell = task_access.forward(lambda: _task_access.TaskAccessResource.shell)
    upload_code_to_task = task_access.forward(lambda: _task_access.TaskAccessResource.upload_code)
    put_file = task_access.forward(lambda: _task_access.TaskAccessResource.put_file)
    get_file = task_access.forward(lambda: _task_access.TaskAccessResource.get_file)
    resolve_ssh_endpoint = task_access.forward(lambda: _task_access.TaskAccessResource.ssh_endpoint)
    get_task_ssh_connection_info = task_access.forward(lambda: _task_access.TaskAccessResource.ssh_connection_info)
    get_remote_operations = task_access.forward(lambda: _task_access.TaskAccessResource.remote_operations)
    get_ssh_tunnel_manager = task_access.forward(lambda: _task_access.TaskAccessResource.tunnel_manager)

    find_instances = instances.forward(lambda: _instances.InstanceResource.find)
    normalize_instance_request = instances.forward(lambda: _instances.InstanceResource.normalize)
    price_history = instances.forward(lambda: _instances.InstanceResource.prices)
    instance_metrics = instances.forward(lambda: _instances.InstanceResource.metrics)
    get_task_instances = instances.forward(lambda: _instances.InstanceResource.of_task)

    create_volume = volumes.forward(lambda: _volumes.VolumeResource.create)
    delete_volume = volumes.forward(lambda: _volumes.VolumeResource.delete)
    list_volumes = volumes.forward(lambda: _volumes.VolumeResource.list)
    mount_volume = volumes.forward(lambda: _volumes.VolumeResource.mount)

    reserve = reservations.forward(lambda: _reservations.ReservationResource.create)
    list_reservations = reservations.forward(lambda: _reservations.ReservationResource.list)
    get_reservation = reservations.forward(lambda: _reservations.ReservationResource.get)
    cancel_reservation = reservations.forward(lambda: _reservations.ReservationResource.cancel)
    reservation_availability = reservations.forward(lambda: _reservations.ReservationResource.availability)

    list_ssh_keys = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.list)
    list_platform_ssh_keys = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.list_platform)
    create_platform_ssh_key = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.create)
    delete_platform_ssh_key = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.delete)
    ensure_default_ssh_key = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.ensure_default)
    get_ssh_key_manager = ssh_keys.forward(lambda: _ssh_keys.SshKeyResource.manager)

    list_projects = account.forward(lambda: _account.AccountResource.projects)
    get_user = account.forward(lambda: _account.AccountResource.user)
    get_user_teammates = account.forward(lambda: _account.AccountResource.teammates)
    quotas = account.forward(lambda: _account.AccountResource.quotas)
