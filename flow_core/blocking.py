"""Flow, Client and Task: the async client for ordinary code, one line a method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from flow_core._loop import call, iterate
from flow_core.client import AsyncFlow, AsyncTask
from flow_core.config import Config, Context
from flow_core.models.task import TaskRecord, TaskStatus

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.spec import TaskConfig
    from flow_core.models.volume import Volume, VolumeInterface
    from flow_core.providers.base import Provider


class Flow:
    """The client of one context, for scripts. See AsyncFlow for what each call means; any thread may call."""

    def __init__(self, context: Context | str | None = None, *, config: Config | None = None) -> None:
        self._flow = AsyncFlow(context, config=config)

    def __enter__(self) -> Flow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the provider; twice is safe. Tasks go on."""
        call(self._flow.close())

    def run(
        self, task: TaskConfig | str | Path, wait: bool = False, mounts: str | dict[str, str] | None = None
    ) -> Task:
        """Submits a TaskConfig or a YAML file of one; `wait` returns once it runs."""
        return Task(call(self._flow.run(task, wait, mounts)))

    def submit(
        self,
        command: str,
        gpu: str | None = None,
        mounts: str | dict[str, str] | None = None,
        instance_type: str | None = None,
        wait: bool = False,
    ) -> Task:
        """Submits a shell command; `wait` returns once the task has ended."""
        return Task(call(self._flow.submit(command, gpu, mounts, instance_type, wait)))

    def status(self, task_id: str) -> str:
        """The status word of a task."""
        return call(self._flow.status(task_id))

    def cancel(self, task_id: str) -> None:
        """Asks for the end of a task; safe twice and after its end."""
        call(self._flow.cancel(task_id))

    def get_task(self, task_id: str) -> Task:
        """A handle for an existing task."""
        return Task(call(self._flow.get_task(task_id)))

    def list_tasks(
        self,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        limit: int = 10,
        force_refresh: bool = False,
    ) -> list[Task]:
        """The last submitted tasks first, at most `limit`."""
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
    ) -> Iterator[str]: ...

    def logs(
        self,
        task_id: str,
        follow: bool = False,
        tail: int = 100,
        stderr: bool = False,
        source: str | None = None,
        stream: str | None = None,
    ) -> str | Iterator[str]:
        """The last `tail` lines, or an iterator of every line until the task ends."""
        if follow:
            return iterate(call(self._flow.logs(task_id, True, tail, stderr, source, stream)))
        return call(self._flow.logs(task_id, False, tail, stderr, source, stream))

    def create_volume(
        self,
        size_gb: int,
        name: str | None = None,
        interface: VolumeInterface = "block",
        region: str | None = None,
    ) -> Volume:
        """Makes a volume; `block` for one task at a time, `file` for many."""
        return call(self._flow.create_volume(size_gb, name, interface, region))

    def delete_volume(self, volume_id: str) -> None:
        """Destroys a volume and its data."""
        call(self._flow.delete_volume(volume_id))

    def list_volumes(self, limit: int = 100) -> list[Volume]:
        """Volumes, newest first."""
        return call(self._flow.list_volumes(limit))

    def mount_volume(self, volume_id: str, task_id: str, mount_point: str | None = None) -> bool:
        """Gives an unfinished task a volume, by id or name."""
        return call(self._flow.mount_volume(volume_id, task_id, mount_point))

    def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        """Instance types that fit, cheapest first."""
        return call(self._flow.find_instances(requirements, limit))

    def normalize_instance_request(self, gpu_count: int, gpu_type: str | None = None) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs of a type."""
        return call(self._flow.normalize_instance_request(gpu_count, gpu_type))


class Client:
    """The smaller face of the SDK: run, status, cancel, volumes. `provider` names a context."""

    def __init__(self, provider: str | None = None) -> None:
        self._flow = Flow(provider)

    def run(
        self,
        command: str | list[str] | TaskConfig,
        gpu: str | None = None,
        cpus: int | None = None,
        memory_gb: int | None = None,
        wait: bool = False,
        **kwargs: Any,
    ) -> Task:
        """Runs a command (or a TaskConfig as it is); `wait` returns once it has ended.

        `cpus` without a GPU asks for that many CPUs; `memory_gb` is a wish that local doesn't hold back.
        """
        task = self._flow.run(_client_config(command, gpu, cpus, kwargs))
        return task.wait() if wait else task

    def status(self, task_id: str | None = None) -> list[Task]:
        """One task in a list, or every task."""
        return [self._flow.get_task(task_id)] if task_id else self._flow.list_tasks(limit=1000)

    def cancel(self, task_id: str, force: bool = False) -> bool:
        """True once the end has been asked for; `force` leaves no time to clean up."""
        call(self._flow._flow.cancel(task_id, force))
        return True

    def volumes(self) -> list[Volume]:
        """Volumes, newest first."""
        return self._flow.list_volumes()

    def provider_port(self) -> Provider:
        """The provider itself. Its methods are coroutines of the private loop."""
        return self._flow._flow.provider


class Task:
    """A task and what can be done to it. Every field of TaskRecord can be read from it."""

    def __init__(self, task: AsyncTask) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        if name == "_task":  # not yet set, as when unpickling
            raise AttributeError(name)
        return getattr(self._task.record, name)

    def __repr__(self) -> str:
        return repr(self._task)

    @property
    def record(self) -> TaskRecord:
        """What the provider last answered."""
        return self._task.record

    def refresh(self) -> Task:
        """Asks the provider for the task as it is now."""
        return Task(call(self._task.refresh()))

    def wait(self, timeout_s: float | None = None) -> Task:
        """Returns once the task has ended. Raises TimeoutError after `timeout_s`."""
        return Task(call(self._task.wait(timeout_s)))

    def cancel(self) -> None:
        """Asks for the end of the task."""
        call(self._task.cancel())

    def logs(self, follow: bool = False, tail: int = 100, stderr: bool = False) -> str | Iterator[str]:
        """See Flow.logs."""
        answer = call(self._task.logs(follow, tail, stderr))
        return answer if isinstance(answer, str) else iterate(answer)


def _client_config(
    command: str | list[str] | TaskConfig, gpu: str | None, cpus: int | None, fields: dict[str, Any]
) -> TaskConfig:
    from flow_core.models.spec import TaskConfig  # deferred: loads pydantic

    if isinstance(command, TaskConfig):
        return command
    wanted = gpu or (f"{cpus}xcpu" if cpus else None)
    return TaskConfig.parse({"name": "flow-run", "command": command, "instance_type": wanted, **fields})
