"""AsyncFlow: the async client of one context, composed of one resource per noun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.client.account import AsyncAccountResource
from flow_core.client.context_client import ContextClient
from flow_core.client.instances import AsyncInstanceResource
from flow_core.client.reservations import AsyncReservationResource
from flow_core.client.resource_descriptor import ClientPart
from flow_core.client.ssh_keys import AsyncSshKeyResource
from flow_core.client.task_access import AsyncTaskAccessResource
from flow_core.client.task_logs import AsyncTaskLogResource
from flow_core.client.tasks import AsyncTaskResource
from flow_core.client.volumes import AsyncVolumeResource

if TYPE_CHECKING:
    from flow_core.client.dev import AsyncDevEnvironment
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider


class AsyncFlow(ContextClient):
    """The client of one context, for coroutines. Each change passes its gate; each error is a FlowError.

    Each resource is an attribute, such as `flow.tasks` or `flow.volumes`. The flat names of the SDK reference, such as
    `flow.create_volume`, call these resources.
    Use it on one event loop only, as an async context manager, or close it. Retry only after `Unreachable`, and only
    calls that you may safely repeat.
    """

    tasks = ClientPart(AsyncTaskResource)
    task_logs = ClientPart(AsyncTaskLogResource)
    task_access = ClientPart(AsyncTaskAccessResource)
    instances = ClientPart(AsyncInstanceResource)
    volumes = ClientPart(AsyncVolumeResource)
    reservations = ClientPart(AsyncReservationResource)
    ssh_keys = ClientPart(AsyncSshKeyResource)
    account = ClientPart(AsyncAccountResource)

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

    run = tasks.forward(AsyncTaskResource.run)
    submit = tasks.forward(AsyncTaskResource.submit)
    status = tasks.forward(AsyncTaskResource.status)
    cancel = tasks.forward(AsyncTaskResource.cancel)
    get_task = tasks.forward(AsyncTaskResource.get)
    list_tasks = tasks.forward(AsyncTaskResource.list)
    wait_for_ssh = tasks.forward(AsyncTaskResource.wait_for_ssh)
    task_metrics = tasks.forward(AsyncTaskResource.metrics)
    task_history = tasks.forward(AsyncTaskResource.history)
    set_limit_price = tasks.forward(AsyncTaskResource.set_limit_price)
    pause_task = tasks.forward(AsyncTaskResource.pause)
    resume_task = tasks.forward(AsyncTaskResource.resume)
    hold_task = tasks.forward(AsyncTaskResource.hold)
    release_task = tasks.forward(AsyncTaskResource.release)
    requeue_task = tasks.forward(AsyncTaskResource.requeue)
    set_time_limit = tasks.forward(AsyncTaskResource.set_time_limit)
    signal_task = tasks.forward(AsyncTaskResource.signal)
    estimate_start = tasks.forward(AsyncTaskResource.estimate_start)
    watch_everyone = tasks.forward(AsyncTaskResource.watch_everyone)
    plan_pruning = tasks.forward(AsyncTaskResource.plan_pruning)
    prune_tasks = tasks.forward(AsyncTaskResource.prune)

    logs = task_logs.forward(AsyncTaskLogResource.read)
    log_stream = task_logs.forward(AsyncTaskLogResource.stream)
    search_logs = task_logs.forward(AsyncTaskLogResource.search)
    log_bytes = task_logs.forward(AsyncTaskLogResource.read_bytes)
    log_addresses = task_logs.forward(AsyncTaskLogResource.addresses)
    open_log = task_logs.forward(AsyncTaskLogResource.open)
    find_failure_cause = task_logs.forward(AsyncTaskLogResource.find_cause)
    log_clock = task_logs.forward(AsyncTaskLogResource.clock)
    is_log_complete = task_logs.forward(AsyncTaskLogResource.is_complete)

    shell = task_access.forward(AsyncTaskAccessResource.shell)
    open_shell = task_access.forward(AsyncTaskAccessResource.open_shell)
    task_directory = task_access.forward(AsyncTaskAccessResource.directory)
    upload_code_to_task = task_access.forward(AsyncTaskAccessResource.upload_code)
    put_file = task_access.forward(AsyncTaskAccessResource.put_file)
    get_file = task_access.forward(AsyncTaskAccessResource.get_file)
    ssh_command = task_access.forward(AsyncTaskAccessResource.ssh_command)
    resolve_ssh_endpoint = task_access.forward(AsyncTaskAccessResource.ssh_endpoint)
    get_task_ssh_connection_info = task_access.forward(AsyncTaskAccessResource.ssh_connection_info)
    get_remote_operations = task_access.forward(AsyncTaskAccessResource.remote_operations)
    get_ssh_tunnel_manager = task_access.forward(AsyncTaskAccessResource.tunnel_manager)

    find_instances = instances.forward(AsyncInstanceResource.find)
    normalize_instance_request = instances.forward(AsyncInstanceResource.normalize)
    price_history = instances.forward(AsyncInstanceResource.prices)
    instance_metrics = instances.forward(AsyncInstanceResource.metrics)
    get_task_instances = instances.forward(AsyncInstanceResource.of_task)

    create_volume = volumes.forward(AsyncVolumeResource.create)
    delete_volume = volumes.forward(AsyncVolumeResource.delete)
    list_volumes = volumes.forward(AsyncVolumeResource.list)
    mount_volume = volumes.forward(AsyncVolumeResource.mount)
    attach_volume = volumes.forward(AsyncVolumeResource.attach)

    reserve = reservations.forward(AsyncReservationResource.create)
    list_reservations = reservations.forward(AsyncReservationResource.list)
    get_reservation = reservations.forward(AsyncReservationResource.get)
    cancel_reservation = reservations.forward(AsyncReservationResource.cancel)
    reservation_availability = reservations.forward(AsyncReservationResource.availability)

    list_ssh_keys = ssh_keys.forward(AsyncSshKeyResource.list)
    list_platform_ssh_keys = ssh_keys.forward(AsyncSshKeyResource.list_platform)
    create_platform_ssh_key = ssh_keys.forward(AsyncSshKeyResource.create)
    delete_platform_ssh_key = ssh_keys.forward(AsyncSshKeyResource.delete)
    ensure_default_ssh_key = ssh_keys.forward(AsyncSshKeyResource.ensure_default)
    get_ssh_key_manager = ssh_keys.forward(AsyncSshKeyResource.manager)

    list_projects = account.forward(AsyncAccountResource.projects)
    get_user = account.forward(AsyncAccountResource.user)
    get_user_teammates = account.forward(AsyncAccountResource.teammates)
    quotas = account.forward(AsyncAccountResource.quotas)
