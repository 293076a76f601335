"""What a TaskConfig may ask for that the cloud, or this provider, doesn't have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Unsupported
from flow_core.providers.asked import refuse_separate_streams

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_FOR_OTHERS = {
    "k8s": "this provider starts machines, not pods; choose a context that has Kubernetes",
    "array": "the cloud has no task arrays; submit several tasks, or use num_instances",
    "after": "the cloud has no dependencies between tasks; wait for the first one, then submit",
    "scheduled_start_time": "a bid waits for its price, not for a time; reserve capacity for a later time instead",
    "tty": "machines of the cloud run tasks without a terminal; leave it out, or start script(1) in the command",
    "reservation_id": "a reservation starts its machines itself; give it a startup script when it is made",
    "internode_interconnect": "the API can't be asked for a network; choose an instance type that has it",
    "intranode_interconnect": "the API can't be asked for a socket; choose an instance type that has it",
    "terminate_on_exit": "a machine can't end its own bid without an API key on it; cancel the task when it is done",
}


_LONGEST_WORD = 127 << 10  # Linux takes 128 KiB an argument or variable, its name and a NUL included
_OF_THE_SHELL = frozenset({"UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"})


def refuse_what_is_not_there(config: TaskConfig) -> None:
    """Raises Unsupported or ConfigError that names the field."""
    for field, sentence in _FOR_OTHERS.items():
        if getattr(config, field):
            raise Unsupported(f"{field}: {sentence}")
    if config.allocation_mode == "reserved":
        raise Unsupported(f"allocation_mode: {_FOR_OTHERS['reservation_id']}")
    refuse_separate_streams(config, "machines of the cloud")
    if config.working_dir is not None and not config.working_dir.startswith("/"):
        raise ConfigError("working_dir: must be a path from / on the machine, such as /workspace", field="working_dir")
    _refuse_what_no_process_takes(config)
    for mount in config.data_mounts:
        if mount.mount_type == "bind":
            raise Unsupported(
                f"data_mounts: {mount.source!r} is a path of this machine, which a machine of the cloud can't see; "
                "send it as code, or put it on a volume"
            )
        if mount.mount_type == "s3fs":
            raise Unsupported(
                f"data_mounts: {mount.source!r} would put your AWS credentials into a script that the whole project "
                "can read; fetch it in the command instead"
            )


def _refuse_what_no_process_takes(config: TaskConfig) -> None:
    """A machine would say so only when it starts the command, and by then it costs money."""
    words = [] if isinstance(config.command, str) else config.command
    if any(len(os.fsencode(word)) > _LONGEST_WORD for word in words):
        raise ConfigError(
            f"command: an argument is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="command"
        )
    for name, value in config.env.items():
        if name in _OF_THE_SHELL:
            raise ConfigError(f"env: {name} is the shell's own; give it another name", field="env")
        if len(name) + len(os.fsencode(value)) > _LONGEST_WORD:
            raise ConfigError(
                f"env: {name[:80]} is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="env"
            )
