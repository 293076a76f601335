"""Flow: the client of one context, for ordinary code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from flow_core._loop import call, close_at_exit, iterate
from flow_core.blocking.dev import DevEnvironment
from flow_core.blocking.files import FlowFiles
from flow_core.blocking.lent import lent_terminal
from flow_core.blocking.market import FlowMarket
from flow_core.blocking.power import RemoteOperations, SshKeyManager, SshTunnelManager
from flow_core.blocking.pruning import FlowPruning
from flow_core.blocking.task import Task
from flow_core.blocking.words import same_as
from flow_core.client.flow import AsyncFlow
from flow_core.config import Config, Context
from flow_core.models.task import TaskStatus

if TYPE_CHECKING:
    from flow_core.models.identity import User
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.metrics import MachineSample
    from flow_core.models.reservation import Reservation
    from flow_core.models.spec import TaskConfig
    from flow_core.models.task_spec import TaskSpec
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider
    from flow_core.upload.report import UploadResult


class Flow(FlowMarket, FlowFiles, FlowPruning):
    """The client of one context, for scripts and notebooks; any thread may call. Every error is a FlowError.

    `context` is a name, or a Context; without one: `$FLOW_CONTEXT`, else the config's default, else `local`, this
    machine. Close it, or use it in a `with`; tasks go on.
    """

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
        """The async client underneath. It lives on the private loop: its coroutines are not for another one."""
        return self._flow

    @property
    def context(self) -> Context:
        """Where its tasks run."""
        return self._flow.context

    @same_as(AsyncFlow.close)
    def close(self) -> None:
        call(self._flow.close())

    @same_as(AsyncFlow.run)
    def run(
        self,
        task: TaskConfig | TaskSpec | str | list[str] | Path | None = None,
        wait: bool = False,
        mounts: str | dict[str, str] | None = None,
        *,
        wait_until: str | None = None,
        max_wait_seconds: float | None = None,
        dry_run: bool = False,
        **fields: Any,
    ) -> Task:
        more: Any = {"wait_until": wait_until, "max_wait_seconds": max_wait_seconds, "dry_run": dry_run}
        return Task(call(self._flow.run(task, wait, mounts, **more, **fields)))

    @same_as(AsyncFlow.submit)
    def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
        **fields: Any,
    ) -> Task:
        return Task(call(self._flow.submit(command, gpu, mounts, instance_type, wait, **fields)))

    @same_as(AsyncFlow.status)
    def status(self, task_id: str) -> str:
        return call(self._flow.status(task_id))

    @same_as(AsyncFlow.cancel)
    def cancel(self, task_id: str) -> None:
        call(self._flow.cancel(task_id))

    @same_as(AsyncFlow.get_task)
    def get_task(self, task_id: str) -> Task:
        return Task(call(self._flow.get_task(task_id)))

    @same_as(AsyncFlow.list_tasks)
    def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[Task]:
        return [Task(task) for task in call(self._flow.list_tasks(status, limit, force_refresh))]

    @overload
    def logs(
        self,
        task_id: str,
        follow: Literal[False] = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> str: ...

    @overload
    def logs(
        self,
        task_id: str,
        follow: Literal[True],
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> Iterator[str]: ...

    @same_as(AsyncFlow.logs)
    def logs(
        self,
        task_id: str,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
        *,
        attempt: int | None = None,
        rank: int = 0,
    ) -> str | Iterator[str]:
        if follow:
            logs = self._flow.logs(task_id, True, tail, stderr, source, stream, attempt=attempt, rank=rank)
            return iterate(call(logs))
        return call(self._flow.logs(task_id, False, tail, stderr, source, stream, attempt=attempt, rank=rank))

    @same_as(AsyncFlow.log_stream)
    def log_stream(
        self, task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0
    ) -> Iterator[str]:
        return iterate(self._flow.log_stream(task_id, stderr, attempt=attempt, rank=rank))

    @same_as(AsyncFlow.shell)
    def shell(
        self,
        task_id: str,
        command: str | None = None,
        node: int | None = None,
        progress_context: object | None = None,
        record: bool = False,
    ) -> int | None:
        with lent_terminal():
            return call(self._flow.shell(task_id, command, node, progress_context, record))

    @same_as(AsyncFlow.create_volume)
    def create_volume(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        return call(self._flow.create_volume(size_gb, name, interface, region))

    @same_as(AsyncFlow.delete_volume)
    def delete_volume(self, volume_id: str) -> None:
        call(self._flow.delete_volume(volume_id))

    @same_as(AsyncFlow.list_volumes)
    def list_volumes(self, limit: int = 100) -> list[Volume]:
        return call(self._flow.list_volumes(limit))

    @same_as(AsyncFlow.mount_volume)
    def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        return call(self._flow.mount_volume(volume_id, task_id, mount_point))

    @same_as(AsyncFlow.find_instances)
    def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        return call(self._flow.find_instances(requirements, limit))

    @same_as(AsyncFlow.normalize_instance_request)
    def normalize_instance_request(self, gpu_count: int, gpu_type: str | None = None) -> tuple[str, int, str | None]:
        return call(self._flow.normalize_instance_request(gpu_count, gpu_type))

    @same_as(AsyncFlow.reserve)
    def reserve(self, gpu: str, duration_hours: int = 1, auto_renew: bool = False, **fields: Any) -> Reservation:
        return call(self._flow.reserve(gpu, duration_hours, auto_renew, **fields))

    @same_as(AsyncFlow.list_reservations)
    def list_reservations(self, params: dict[str, Any] | None = None) -> list[Reservation]:
        return call(self._flow.list_reservations(params))

    @same_as(AsyncFlow.get_reservation)
    def get_reservation(self, reservation_id: str) -> Reservation | None:
        return call(self._flow.get_reservation(reservation_id))

    @same_as(AsyncFlow.cancel_reservation)
    def cancel_reservation(self, reservation_id: str) -> None:
        call(self._flow.cancel_reservation(reservation_id))

    @same_as(AsyncFlow.reservation_availability)
    def reservation_availability(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        return call(self._flow.reservation_availability(params))

    @same_as(AsyncFlow.list_projects)
    def list_projects(self) -> list[dict[str, str]]:
        return call(self._flow.list_projects())

    @same_as(AsyncFlow.get_user)
    def get_user(self, user_id: str) -> User | None:
        return call(self._flow.get_user(user_id))

    @same_as(AsyncFlow.get_user_teammates)
    def get_user_teammates(self, user_id: str) -> list[User]:
        return call(self._flow.get_user_teammates(user_id))

    @same_as(AsyncFlow.list_ssh_keys)
    def list_ssh_keys(self, project_id: str | None = None) -> list[dict[str, str]]:
        return call(self._flow.list_ssh_keys(project_id))

    @same_as(AsyncFlow.list_platform_ssh_keys)
    def list_platform_ssh_keys(self) -> list[dict[str, str]]:
        return call(self._flow.list_platform_ssh_keys())

    @same_as(AsyncFlow.create_platform_ssh_key)
    def create_platform_ssh_key(self, name: str, public_key: str) -> dict[str, str]:
        return call(self._flow.create_platform_ssh_key(name, public_key))

    @same_as(AsyncFlow.delete_platform_ssh_key)
    def delete_platform_ssh_key(self, key_id: str) -> bool:
        return call(self._flow.delete_platform_ssh_key(key_id))

    @same_as(AsyncFlow.ensure_default_ssh_key)
    def ensure_default_ssh_key(self) -> str | None:
        return call(self._flow.ensure_default_ssh_key())

    @same_as(AsyncFlow.upload_code_to_task)
    def upload_code_to_task(
        self,
        task_id: str,
        source_dir: Path | None = None,
        timeout: int = 600,
        console: object | None = None,
        target_dir: str = "/workspace",
        progress_reporter: object | None = None,
        git_incremental: bool | None = None,
    ) -> UploadResult:
        return call(
            self._flow.upload_code_to_task(
                task_id, source_dir, timeout, console, target_dir, progress_reporter, git_incremental
            )
        )

    @same_as(AsyncFlow.resolve_ssh_endpoint)
    def resolve_ssh_endpoint(self, task_id: str, node: int | None = None) -> tuple[str, int]:
        return call(self._flow.resolve_ssh_endpoint(task_id, node))

    @same_as(AsyncFlow.get_task_ssh_connection_info)
    def get_task_ssh_connection_info(self, task_id: str) -> tuple[Path | None, str]:
        return call(self._flow.get_task_ssh_connection_info(task_id))

    @same_as(AsyncFlow.wait_for_ssh)
    def wait_for_ssh(
        self,
        task_id: str,
        timeout: int = 600,
        show_progress: bool = True,
        progress_adapter: object | None = None,
    ) -> Task:
        return Task(call(self._flow.wait_for_ssh(task_id, timeout, show_progress, progress_adapter)))

    @same_as(AsyncFlow.dev_context)
    def dev_context(self, auto_stop: bool = False) -> DevEnvironment:
        return DevEnvironment(self._flow.dev_context(auto_stop))

    @property
    def dev(self) -> DevEnvironment:
        """The dev VM of this user, started when something is first done in it."""
        return self.dev_context()

    @same_as(AsyncFlow.get_provider_init)
    def get_provider_init(self) -> IProviderInit:
        return self._flow.get_provider_init()

    @same_as(AsyncFlow.get_remote_operations)
    def get_remote_operations(self) -> RemoteOperations:
        return RemoteOperations(self._flow.get_remote_operations)

    @same_as(AsyncFlow.get_ssh_key_manager)
    def get_ssh_key_manager(self) -> SshKeyManager:
        return SshKeyManager(self._flow.get_ssh_key_manager)

    @same_as(AsyncFlow.get_ssh_tunnel_manager)
    def get_ssh_tunnel_manager(self) -> SshTunnelManager:
        return SshTunnelManager(self._flow.get_ssh_tunnel_manager)

    @same_as(AsyncFlow.task_metrics)
    def task_metrics(self, task_id: str, node: int = 0) -> Iterator[MachineSample]:
        return iterate(self._flow.task_metrics(task_id, node))

    @same_as(AsyncFlow.instance_metrics)
    def instance_metrics(self, allocation_id: str) -> Iterator[MachineSample]:
        return iterate(self._flow.instance_metrics(allocation_id))

    @same_as(AsyncFlow.provider_port)
    def provider_port(self) -> Provider:
        return self._flow.provider_port()
