"""The fields of a TaskConfig that the cloud, or this provider, does not support."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Unsupported
from flow_core.providers.contract.request_checks import check_word_sizes
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_RESERVED = "a reservation starts its machines itself; give it a startup script when it is made"
UNSUPPORTED: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "k8s",
        lambda task: task.k8s,
        "this provider starts machines, not pods; choose a context that has Kubernetes",
    ),
    UnsupportedField(
        "array",
        lambda task: task.array,
        "the cloud has no task arrays; submit several tasks, or use num_instances",
    ),
    UnsupportedField(
        "after",
        lambda task: task.after,
        "the cloud has no dependencies between tasks; wait for the first one, then submit",
    ),
    UnsupportedField(
        "scheduled_start_time",
        lambda task: task.scheduled_start_time,
        "a bid waits for its price, not for a time; reserve capacity for a later time instead",
    ),
    UnsupportedField(
        "tty",
        lambda task: task.tty,
        "machines of the cloud run tasks without a terminal; leave it out, or start script(1) in the command",
    ),
    UnsupportedField("reservation_id", lambda task: task.reservation_id, _RESERVED),
    UnsupportedField(
        "internode_interconnect",
        lambda task: task.internode_interconnect,
        "the API has no field for a network; choose an instance type that has it",
    ),
    UnsupportedField(
        "intranode_interconnect",
        lambda task: task.intranode_interconnect,
        "the API has no field for a socket; choose an instance type that has it",
    ),
    UnsupportedField(
        "terminate_on_exit",
        lambda task: task.terminate_on_exit,
        "a machine can't end its own bid without an API key on it; cancel the task when it is done",
    ),
    UnsupportedField("allocation_mode", lambda task: task.allocation_mode == "reserved", _RESERVED),
    UnsupportedField(
        "streams",
        lambda task: task.streams == "separate",
        "machines of the cloud keep stdout and stderr in one log; write merged, or leave it out",
    ),
)
_SHELL_VARIABLES = frozenset({"UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"})


def check_task(config: TaskConfig) -> None:
    """Checks the fields of a task. Raises Unsupported or ConfigError that names the field."""
    check_supported(config, UNSUPPORTED)
    if config.working_dir is not None and not config.working_dir.startswith("/"):
        raise ConfigError("working_dir: must be a path from / on the machine, such as /workspace", field="working_dir")
    _check_process(config)
    _check_mounts(config)


def _check_process(config: TaskConfig) -> None:
    """Checks the command and the variables. A machine would refuse them only after its start, when it costs money."""
    check_word_sizes([] if isinstance(config.command, str) else config.command, config.env)
    for name in config.env:
        if name in _SHELL_VARIABLES:
            raise ConfigError(f"env: {name} is the shell's own; give it another name", field="env")


def _check_mounts(config: TaskConfig) -> None:
    for mount in config.data_mounts:
        if mount.mount_type == "bind":
            raise Unsupported(
                f"data_mounts: {mount.source!r} is a path of this machine, which a machine of the cloud can't see; "
                "send it as code, or put it on a volume",
                field="data_mounts",
            )
        if mount.mount_type == "s3fs":
            raise Unsupported(
                f"data_mounts: {mount.source!r} would put your AWS credentials into a script that the whole project "
                "can read; fetch it in the command instead",
                field="data_mounts",
            )
