"""Client: the small client of the SDK reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import check_command, check_optional_integer, check_optional_text
from flow_core.errors import ConfigError
from flow_core.sync.flow import Flow
from flow_core.sync.task import Task

if TYPE_CHECKING:
    from flow_core.models.flow_ir import TaskSpec
    from flow_core.models.pruning import PruningResult
    from flow_core.models.task_config import TaskConfig
    from flow_core.models.volume import Volume
    from flow_core.providers.contract.provider import Provider

_NO_LIMIT = 1_000_000


class Client:
    """A client with few arguments: runs, lists and cancels tasks.

    `provider` names a context; default: the default context. Each error is a FlowError. Any thread may call.
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
        """Runs a command, an argument list, a TaskSpec or a TaskConfig; with `wait`, returns once it has ended.

        `gpu` is a shorthand such as "a100:4"; `cpus` and `memory_gb` are the minimum of an instance; `kwargs` are
        further fields of a TaskConfig. Two calls submit two tasks. Raises ConfigError, CapacityError, and the
        errors of `Flow.run`.
        """
        task = self._flow.run(_config(command, {"gpu": gpu, "cpus": cpus, "memory_gb": memory_gb}, kwargs))
        return task.wait() if wait else task

    def status(self, task_id: str | None = None) -> list[Task]:
        """Returns one task in a list, or every task, the last submitted first. Raises NotFound."""
        return self._flow.list_tasks(limit=_NO_LIMIT) if task_id is None else [self._flow.get_task(task_id)]

    def cancel(self, task_id: str, force: bool = False) -> bool:
        """Requests the end of a task and returns True. `force` grants no time to clean up. Calling it again is safe.

        Raises NotFound.
        """
        self._flow.cancel(task_id, force)
        return True

    def ssh(self, task_id: str) -> str:
        """Returns the `ssh` command that enters a task, ready to paste. Raises NotFound, Unsupported."""
        return self._flow.task_access.ssh_command(task_id)

    def volumes(self) -> list[Volume]:
        """Returns every volume, newest first."""
        return self._flow.list_volumes(limit=_NO_LIMIT)

    def reserve(self, gpu: str, duration_hours: int = 1, auto_renew: bool = False) -> str:
        """Reserves GPUs for hours from now on, and returns the reservation's id. Two calls make two reservations.

        With `auto_renew` the reservation is extended by its duration each time it would end: on this machine by the
        next call or waiting task, since no process of flow runs in between. `Flow.cancel_reservation` ends it.
        Raises ConfigError, CapacityError that names the free capacity, Unsupported.
        """
        return self._flow.reserve(gpu, duration_hours, auto_renew).reservation_id

    def prune(self, older_than_days: float | None = None, keep_last: int | None = None) -> PruningResult:
        """Removes the ended tasks that `Flow.plan_pruning` lists for these arguments, with their logs and records.

        Tasks with their own files in their folders stay, and so do volumes. Calling it again is safe. Raises
        ConfigError, Unsupported.
        """
        return self._flow.prune_tasks(self._flow.plan_pruning(older_than_days, keep_last))

    def provider_port(self) -> Provider:
        """Returns the provider itself, with all its facets. Its methods are coroutines; no gate, no audit log."""
        return self._flow.provider_port()

    def close(self) -> None:
        """Closes the provider. Calling it again is safe. Tasks continue to run."""
        self._flow.close()


def _config(
    command: str | list[str] | TaskSpec | TaskConfig, arguments: dict[str, Any], fields: dict[str, Any]
) -> TaskConfig:
    from flow_core.models.flow_ir import TaskSpec  # lazy import: loads pydantic
    from flow_core.models.task_config import TaskConfig

    if isinstance(command, TaskConfig | TaskSpec):
        extra = [*(name for name, value in arguments.items() if value is not None), *fields]
        if extra:
            raise ConfigError(f"{extra[0]}: goes into the {type(command).__name__} itself", field=extra[0])
        return command if isinstance(command, TaskConfig) else command.to_config()
    named = {
        "instance_type": check_optional_text("gpu", arguments["gpu"]),
        "min_cpus": check_optional_integer("cpus", arguments["cpus"], minimum=1),
        "min_memory_gb": check_optional_integer("memory_gb", arguments["memory_gb"], minimum=1),
    }
    given = {name: value for name, value in named.items() if value is not None}
    words = command if isinstance(command, list) else check_command("command", command)
    return TaskConfig.parse({"name": "flow-run", "command": words, **given, **fields})
