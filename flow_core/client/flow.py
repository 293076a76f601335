"""AsyncFlow: the async client of one context, composed of one resource per noun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.client.context_client import ContextClient
from flow_core.client.resource_descriptor import ClientPart
from flow_core.lazy_module import LazyModule

if TYPE_CHECKING:
    import flow_core.client.account as _account
    import flow_core.client.instances as _instances
    import flow_core.client.reservations as _reservations
    import flow_core.client.ssh_keys as _ssh_keys
    import flow_core.client.task_access as _task_access
    import flow_core.client.task_logs as _task_logs
    import flow_core.client.tasks as _tasks
    import flow_core.client.volumes as _volumes
    from flow_core.client.dev import AsyncDevEnvironment
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider
else:
    _account = LazyModule("flow_core.client.account")
    _instances = LazyModule("flow_core.client.instances")
    _reservations = LazyModule("flow_core.client.reservations")
    _ssh_keys = LazyModule("flow_core.client.ssh_keys")
    _task_access = LazyModule("flow_core.client.task_access")
    _task_logs = LazyModule("flow_core.client.task_logs")
    _tasks = LazyModule("flow_core.client.tasks")
    _volumes = LazyModule("flow_core.client.volumes")


class AsyncFlow(ContextClient):
    """The client of one context, for coroutines. Each change passes its gate; each error is a FlowError.

    Each resource is an attribute, such as `flow.tasks` or `flow.volumes`. The flat names of the SDK reference, such as
    `flow.create_volume`, call these resources.
    Use it on one event loop only, as an async context manager, or close it. Retry only after `Unreachable`, and only
    calls that you may safely repeat.
    """

    tasks = ClientPart(lambda flow: _tasks.AsyncTaskResource(flow))
    task_logs = ClientPart(lambda flow: _task_logs.AsyncTaskLogResource(flow))
    task_access = ClientPart(lambda flow: _task_access.AsyncTaskAccessResource(flow))
    instances = ClientPart(lambda flow: _instances.AsyncInstanceResource(flow))
    volumes = ClientPart(lambda flow: _volumes.AsyncVolumeResource(flow))
    reservations = ClientPart(lambda flow: _reservations.AsyncReservationResource(flow))
    ssh_keys = ClientPart(lambda flow: _ssh_keys.AsyncSshKeyResource(flow))
    account = ClientPart(lambda flow: _account.AsyncAccountResource(flow))

    async def __aenter__(self) -> AsyncFlow:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def dev(self) -> AsyncDevEnvironment:
        """The dev VM of this user. The first call that needs it starts it."""
        return self.dev_context()

    def dev_context(self, auto_stop: bool = False) -> AsyncDevEnvironment:
        """Returns the dev VM of this user: entering starts it, leaving stops it only with `auto_stop`."""
        from flow_core.client.dev import AsyncDevEnvironment  # lazy import: few programs use a dev VM

        return AsyncDevEnvironment(self, auto_stop)

    def provider_port(self) -> Provider:
        """Returns the provider itself, with all its facets, without gate and audit log."""
        return self.provider

    def get_provider_init(self) -> IProviderInit:
        """Returns the settings that the provider needs before you can use it."""
        return self.provider.config_schema

    run = tasks.forward(lambda: _tasks.AsyncTaskResource.run)
    submit = tasks.forward(lambda: _tasks.AsyncTaskResource.submit)
    status = tasks.forward(lambda: _tasks.AsyncTaskResource.status)
    cancel = tasks.forward(lambda: _tasks.AsyncTaskResource.cancel)
    get_task = tasks.forward(lambda: _tasks.AsyncTaskResource.get)
    list_tasks = tasks.forward(lambda: _tasks.AsyncTaskResource.list)
    wait_for_ssh = tasks.forward(lambda: _tasks.AsyncTaskResource.wait_for_ssh)
    task_metrics = tasks.forward(lambda: _tasks.AsyncTaskResource.metrics)
    task_history = tasks.forward(lambda: _tasks.AsyncTaskResource.history)
    set_limit_price = tasks.forward(lambda: _tasks.AsyncTaskResource.set_limit_price)
    pause_task = tasks.forward(lambda: _tasks.AsyncTaskResource.pause)
    resume_task = tasks.forward(lambda: _tasks.AsyncTaskResource.resume)
    hold_task = tasks.forward(lambda: _tasks.AsyncTaskResource.hold)
    release_task = tasks.forward(lambda: _tasks.AsyncTaskResource.release)
    requeue_task = tasks.forward(lambda: _tasks.AsyncTaskResource.requeue)
    set_time_limit = tasks.forward(lambda: _tasks.AsyncTaskResource.set_time_limit)
    signal_task = tasks.forward(lambda: _tasks.AsyncTaskResource.signal)
    estimate_start = tasks.forward(lambda: _tasks.AsyncTaskResource.estimate_start)
    watch_everyone = tasks.forward(lambda: _tasks.AsyncTaskResource.watch_everyone)
    plan_pruning = tasks.forward(lambda: _tasks.AsyncTaskResource.plan_pruning)
    prune_tasks = tasks.forward(lambda: _tasks.AsyncTaskResource.prune)

    logs = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.read)
    log_stream = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.stream)
    search_logs = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.search)
    log_bytes = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.read_bytes)
    log_addresses = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.addresses)
    open_log = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.open)
    find_failure_cause = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.find_cause)
    log_clock = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.clock)
    is_log_complete = task_logs.forward(lambda: _task_logs.AsyncTaskLogResource.is_complete)

    shell = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.shell)
    open_shell = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.open_shell)
    task_directory = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.directory)
    upload_code_to_task = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.upload_code)
    put_file = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.put_file)
    get_file = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.get_file)
    ssh_command = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.ssh_command)
    resolve_ssh_endpoint = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.ssh_endpoint)
    get_task_ssh_connection_info = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.ssh_connection_info)
    get_remote_operations = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.remote_operations)
    get_ssh_tunnel_manager = task_access.forward(lambda: _task_access.AsyncTaskAccessResource.tunnel_manager)

    find_instances = instances.forward(lambda: _instances.AsyncInstanceResource.find)
    normalize_instance_request = instances.forward(lambda: _instances.AsyncInstanceResource.normalize)
    price_history = instances.forward(lambda: _instances.AsyncInstanceResource.prices)
    instance_metrics = instances.forward(lambda: _instances.AsyncInstanceResource.metrics)
    get_task_instances = instances.forward(lambda: _instances.AsyncInstanceResource.of_task)

    create_volume = volumes.forward(lambda: _volumes.AsyncVolumeResource.create)
    delete_volume = volumes.forward(lambda: _volumes.AsyncVolumeResource.delete)
    list_volumes = volumes.forward(lambda: _volumes.AsyncVolumeResource.list)
    mount_volume = volumes.forward(lambda: _volumes.AsyncVolumeResource.mount)
    attach_volume = volumes.forward(lambda: _volumes.AsyncVolumeResource.attach)

    reserve = reservations.forward(lambda: _reservations.AsyncReservationResource.create)
    list_reservations = reservations.forward(lambda: _reservations.AsyncReservationResource.list)
    get_reservation = reservations.forward(lambda: _reservations.AsyncReservationResource.get)
    cancel_reservation = reservations.forward(lambda: _reservations.AsyncReservationResource.cancel)
    reservation_availability = reservations.forward(lambda: _reservations.AsyncReservationResource.availability)

    list_ssh_keys = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.list)
    list_platform_ssh_keys = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.list_platform)
    create_platform_ssh_key = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.create)
    delete_platform_ssh_key = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.delete)
    ensure_default_ssh_key = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.ensure_default)
    get_ssh_key_manager = ssh_keys.forward(lambda: _ssh_keys.AsyncSshKeyResource.manager)

    list_projects = account.forward(lambda: _account.AsyncAccountResource.projects)
    get_user = account.forward(lambda: _account.AsyncAccountResource.user)
    get_user_teammates = account.forward(lambda: _account.AsyncAccountResource.teammates)
    quotas = account.forward(lambda: _account.AsyncAccountResource.quotas)
