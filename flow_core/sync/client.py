"""Client: the smaller face of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core import validation
from flow_core.errors import ConfigError
from flow_core.sync.flow import Flow
from flow_core.sync.task import Task

if TYPE_CHECKING:
    from flow_core.models.ir import TaskSpec
    from flow_core.models.pruning import PruningResult
    from flow_core.models.spec import TaskConfig
    from flow_core.models.volume import Volume
    from flow_core.providers.base import Provider

_EVERY_TASK = 1_000_000


class Client:
    """Run, look, cancel, in few words. `provider` names a context; without one: the default context.

    Every error is a FlowError. Any thread may call.
    """

    def __init__(self, provider: str | None = None) -> None:
        self._flow = Flow(provider)

    def run(
        self,
        command: str | list[str] | TaskSpec | TaskConfig,
        gpu: str | None = None,
        cpus: int | None = None,
        memory_gb: int | None = None,
        wait: bool = False,
        **kwargs: Any,
    ) -> Task:
        """Runs a command, an argument list, or a whole TaskSpec or TaskConfig; `wait` returns once it has ended.

        `gpu` is a shorthand such as "a100:4"; `cpus` and `memory_gb` are the least an instance must have; `kwargs`
        are further fields of a TaskConfig. Not safe twice. Raises ConfigError, CapacityError and what `Flow.run` does.
        """
        task = self._flow.run(_config(command, {"gpu": gpu, "cpus": cpus, "memory_gb": memory_gb}, kwargs))
        return task.wait() if wait else task

    def status(self, task_id: str | None = None) -> list[Task]:
        """One task in a list, or every task, last submitted first. Raises NotFound."""
        return self._flow.list_tasks(limit=_EVERY_TASK) if task_id is None else [self._flow.get_task(task_id)]

    def cancel(self, task_id: str, force: bool = False) -> bool:
        """True once the end has been asked for; `force` leaves no time to clean up. Twice is safe. Raises NotFound."""
        self._flow.cancel(task_id, force)
        return True

    def ssh(self, task_id: str) -> str:
        """The ssh command that enters a task, to be typed as it stands. Raises NotFound, Unsupported."""
        return self._flow.task_access.ssh_command(task_id)

    def volumes(self) -> list[Volume]:
        """Every volume, newest first."""
        return self._flow.list_volumes(limit=_EVERY_TASK)

    def reserve(self, gpu: str, duration_hours: int = 1, auto_renew: bool = False) -> str:
        """Holds GPUs for hours from now on, and returns the reservation's id. Not safe twice.

        With `auto_renew` it is prolonged by its duration whenever its end has come: on this machine by whichever
        call or waiting task looks next, since no process of ours runs meanwhile. `Flow.cancel_reservation` ends it.
        Raises ConfigError, CapacityError that says what is free, Unsupported.
        """
        return self._flow.reserve(gpu, duration_hours, auto_renew).reservation_id

    def prune(self, older_than_days: float | None = None, keep_last: int | None = None) -> PruningResult:
        """Removes ended tasks with their logs and records: what `Flow.plan_pruning` lists for the same arguments.

        Tasks whose own folders hold files that they made stay, and so do volumes. Twice is safe. Raises ConfigError,
        Unsupported.
        """
        return self._flow.prune_tasks(self._flow.plan_pruning(older_than_days, keep_last))

    def provider_port(self) -> Provider:
        """The provider itself, with all its facets. Its methods are coroutines: see flow_core.providers.base."""
        return self._flow.provider_port()

    def close(self) -> None:
        """Lets go of the provider; twice is safe. Tasks go on."""
        self._flow.close()


def _config(
    command: str | list[str] | TaskSpec | TaskConfig, wanted: dict[str, Any], fields: dict[str, Any]
) -> TaskConfig:
    from flow_core.models.ir import TaskSpec  # deferred: loads pydantic
    from flow_core.models.spec import TaskConfig

    if isinstance(command, TaskConfig | TaskSpec):
        extra = [*(name for name, value in wanted.items() if value is not None), *fields]
        if extra:
            raise ConfigError(f"{extra[0]}: goes into the {type(command).__name__} itself", field=extra[0])
        return command if isinstance(command, TaskConfig) else command.to_config()
    named = {
        "instance_type": validation.optional_text("gpu", wanted["gpu"]),
        "min_cpus": validation.optional_whole("cpus", wanted["cpus"], least=1),
        "min_memory_gb": validation.optional_whole("memory_gb", wanted["memory_gb"], least=1),
    }
    given = {name: value for name, value in named.items() if value is not None}
    words = command if isinstance(command, list) else validation.command("command", command)
    return TaskConfig.parse({"name": "flow-run", "command": words, **given, **fields})
