"""Flow: the client of one context, for ordinary code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from flow_core.client.flow import AsyncFlow
from flow_core.config import Config, Context
from flow_core.models.task import TaskStatus
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.dev import DevEnvironment
from flow_core.sync.facades import RemoteOperations, SshKeyManager, SshTunnelManager
from flow_core.sync.files import FlowFiles
from flow_core.sync.loop_thread import close_at_exit, iter_sync, run_sync
from flow_core.sync.market import FlowMarket
from flow_core.sync.pruning import FlowPruning
from flow_core.sync.task import Task
from flow_core.sync.terminal_guard import guard_terminal

if TYPE_CHECKING:
    from flow_core.models.identity import User
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.ir import TaskSpec
    from flow_core.models.metrics import MachineSample
    from flow_core.models.reservation import Reservation
    from flow_core.models.spec import TaskConfig
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.account import IProviderInit
    from flow_core.providers.base import Provider
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

    @copy_docstring(AsyncFlow.close)
    def close(self) -> None:
        run_sync(self._flow.close())

    @copy_docstring(AsyncFlow.run)
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
        return Task(run_sync(self._flow.run(task, wait, mounts, **more, **fields)))

    @copy_docstring(AsyncFlow.submit)
    def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
        **fields: Any,
    ) -> Task:
        return Task(run_sync(self._flow.submit(command, gpu, mounts, instance_type, wait, **fields)))

    @copy_docstring(AsyncFlow.status)
    def status(self, task_id: str) -> str:
        return run_sync(self._flow.status(task_id))

    @copy_docstring(AsyncFlow.cancel)
    def cancel(self, task_id: str) -> None:
        run_sync(self._flow.cancel(task_id))

    @copy_docstring(AsyncFlow.get_task)
    def get_task(self, task_id: str) -> Task:
        return Task(run_sync(self._flow.get_task(task_id)))

    @copy_docstring(AsyncFlow.list_tasks)
    def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[Task]:
        return [Task(task) for task in run_sync(self._flow.list_tasks(status, limit, force_refresh))]

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

    @copy_docstring(AsyncFlow.logs)
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
            return iter_sync(run_sync(logs))
        return run_sync(self._flow.logs(task_id, False, tail, stderr, source, stream, attempt=attempt, rank=rank))

    @copy_docstring(AsyncFlow.log_stream)
    def log_stream(
        self, task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0
    ) -> Iterator[str]:
        return iter_sync(self._flow.log_stream(task_id, stderr, attempt=attempt, rank=rank))

    @copy_docstring(AsyncFlow.shell)
    def shell(
        self,
        task_id: str,
        command: str | None = None,
        node: int | None = None,
        progress_context: object | None = None,
        record: bool = False,
    ) -> int | None:
        with guard_terminal():
            return run_sync(self._flow.shell(task_id, command, node, progress_context, record))

    @copy_docstring(AsyncFlow.create_volume)
    def create_volume(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        return run_sync(self._flow.create_volume(size_gb, name, interface, region))

    @copy_docstring(AsyncFlow.delete_volume)
    def delete_volume(self, volume_id: str) -> None:
        run_sync(self._flow.delete_volume(volume_id))

    @copy_docstring(AsyncFlow.list_volumes)
    def list_volumes(self, limit: int = 100) -> list[Volume]:
        return run_sync(self._flow.list_volumes(limit))

    @copy_docstring(AsyncFlow.mount_volume)
    def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        return run_sync(self._flow.mount_volume(volume_id, task_id, mount_point))

    @copy_docstring(AsyncFlow.find_instances)
    def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        return run_sync(self._flow.find_instances(requirements, limit))

    @copy_docstring(AsyncFlow.normalize_instance_request)
    def normalize_instance_request(self, gpu_count: int, gpu_type: str | None = None) -> tuple[str, int, str | None]:
        return run_sync(self._flow.normalize_instance_request(gpu_count, gpu_type))

    @copy_docstring(AsyncFlow.reserve)
    def reserve(self, gpu: str, duration_hours: int = 1, auto_renew: bool = False, **fields: Any) -> Reservation:
        return run_sync(self._flow.reserve(gpu, duration_hours, auto_renew, **fields))

    @copy_docstring(AsyncFlow.list_reservations)
    def list_reservations(self, params: dict[str, Any] | None = None) -> list[Reservation]:
        return run_sync(self._flow.list_reservations(params))

    @copy_docstring(AsyncFlow.get_reservation)
    def get_reservation(self, reservation_id: str) -> Reservation | None:
        return run_sync(self._flow.get_reservation(reservation_id))

    @copy_docstring(AsyncFlow.cancel_reservation)
    def cancel_reservation(self, reservation_id: str) -> None:
        run_sync(self._flow.cancel_reservation(reservation_id))

    @copy_docstring(AsyncFlow.reservation_availability)
    def reservation_availability(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        return run_sync(self._flow.reservation_availability(params))

    @copy_docstring(AsyncFlow.list_projects)
    def list_projects(self) -> list[dict[str, str]]:
        return run_sync(self._flow.list_projects())

    @copy_docstring(AsyncFlow.get_user)
    def get_user(self, user_id: str) -> User | None:
        return run_sync(self._flow.get_user(user_id))

    @copy_docstring(AsyncFlow.get_user_teammates)
    def get_user_teammates(self, user_id: str) -> list[User]:
        return run_sync(self._flow.get_user_teammates(user_id))

    @copy_docstring(AsyncFlow.list_ssh_keys)
    def list_ssh_keys(self, project_id: str | None = None) -> list[dict[str, str]]:
        return run_sync(self._flow.list_ssh_keys(project_id))

    @copy_docstring(AsyncFlow.list_platform_ssh_keys)
    def list_platform_ssh_keys(self) -> list[dict[str, str]]:
        return run_sync(self._flow.list_platform_ssh_keys())

    @copy_docstring(AsyncFlow.create_platform_ssh_key)
    def create_platform_ssh_key(self, name: str, public_key: str) -> dict[str, str]:
        return run_sync(self._flow.create_platform_ssh_key(name, public_key))

    @copy_docstring(AsyncFlow.delete_platform_ssh_key)
    def delete_platform_ssh_key(self, key_id: str) -> bool:
        return run_sync(self._flow.delete_platform_ssh_key(key_id))

    @copy_docstring(AsyncFlow.ensure_default_ssh_key)
    def ensure_default_ssh_key(self) -> str | None:
        return run_sync(self._flow.ensure_default_ssh_key())

    @copy_docstring(AsyncFlow.upload_code_to_task)
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
        return run_sync(
            self._flow.upload_code_to_task(
                task_id, source_dir, timeout, console, target_dir, progress_reporter, git_incremental
            )
        )

    @copy_docstring(AsyncFlow.resolve_ssh_endpoint)
    def resolve_ssh_endpoint(self, task_id: str, node: int | None = None) -> tuple[str, int]:
        return run_sync(self._flow.resolve_ssh_endpoint(task_id, node))

    @copy_docstring(AsyncFlow.get_task_ssh_connection_info)
    def get_task_ssh_connection_info(self, task_id: str) -> tuple[Path | None, str]:
        return run_sync(self._flow.get_task_ssh_connection_info(task_id))

    @copy_docstring(AsyncFlow.wait_for_ssh)
    def wait_for_ssh(
        self,
        task_id: str,
        timeout: int = 600,
        show_progress: bool = True,
        progress_adapter: object | None = None,
    ) -> Task:
        return Task(run_sync(self._flow.wait_for_ssh(task_id, timeout, show_progress, progress_adapter)))

    @copy_docstring(AsyncFlow.dev_context)
    def dev_context(self, auto_stop: bool = False) -> DevEnvironment:
        return DevEnvironment(self._flow.dev_context(auto_stop))

    @property
    def dev(self) -> DevEnvironment:
        """The dev VM of this user, started when something is first done in it."""
        return self.dev_context()

    @copy_docstring(AsyncFlow.get_provider_init)
    def get_provider_init(self) -> IProviderInit:
        return self._flow.get_provider_init()

    @copy_docstring(AsyncFlow.get_remote_operations)
    def get_remote_operations(self) -> RemoteOperations:
        return RemoteOperations(self._flow.get_remote_operations)

    @copy_docstring(AsyncFlow.get_ssh_key_manager)
    def get_ssh_key_manager(self) -> SshKeyManager:
        return SshKeyManager(self._flow.get_ssh_key_manager)

    @copy_docstring(AsyncFlow.get_ssh_tunnel_manager)
    def get_ssh_tunnel_manager(self) -> SshTunnelManager:
        return SshTunnelManager(self._flow.get_ssh_tunnel_manager)

    @copy_docstring(AsyncFlow.task_metrics)
    def task_metrics(self, task_id: str, node: int = 0) -> Iterator[MachineSample]:
        return iter_sync(self._flow.task_metrics(task_id, node))

    @copy_docstring(AsyncFlow.instance_metrics)
    def instance_metrics(self, allocation_id: str) -> Iterator[MachineSample]:
        return iter_sync(self._flow.instance_metrics(allocation_id))

    @copy_docstring(AsyncFlow.provider_port)
    def provider_port(self) -> Provider:
        return self._flow.provider_port()
