"""What a TaskConfig may ask for that machines reached by SSH don't have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Unsupported

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_LONGEST_WORD = 127 << 10  # Linux takes 128 KiB an argument or variable, its name and a NUL included
_MOST_WORDS = 768 << 10  # macOS takes 1 MiB in all, our own variables and those of the user included
_OF_THE_SHELL = frozenset({"UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"})

_FOR_OTHERS = {
    "image": "machines reached by SSH run no images; start the container in the command instead",
    "k8s": "there is no Kubernetes behind machines reached by SSH; choose a context that has one",
    "array": "machines reached by SSH have no task arrays; submit several tasks, or use num_instances",
    "after": "machines reached by SSH have no dependencies between tasks; wait for the first one, then submit",
    "scheduled_start_time": "machines reached by SSH start a task as soon as they can; submit it later",
    "reservation_id": "machines reached by SSH have no reservations; leave it out",
}


def refuse_what_no_machine_does(config: TaskConfig) -> None:
    """Raises Unsupported or ConfigError that names the field."""
    for field, sentence in _FOR_OTHERS.items():
        if getattr(config, field):
            raise Unsupported(f"{field}: {sentence}")
    if config.allocation_mode == "reserved":
        raise Unsupported(f"allocation_mode: {_FOR_OTHERS['reservation_id']}")
    _refuse_what_no_process_takes(config)


def refuse_what_several_machines_do_not(config: TaskConfig) -> None:
    """Raises Unsupported that names the field."""
    if config.volumes or any(mount.mount_type == "volume" for mount in config.data_mounts):
        raise Unsupported("volumes: a volume lies on one machine; give several the same folder by data_mounts")
    if config.retries is not None and config.retries.max_retries:
        raise Unsupported("retries: the machines of a task know nothing of one another; submit it again instead")


def _refuse_what_no_process_takes(config: TaskConfig) -> None:
    """The system refuses long arguments only when the command is started, and then it is too late to say so."""
    words = [config.command] if isinstance(config.command, str) else config.command
    if any(len(os.fsencode(word)) > _LONGEST_WORD for word in words):
        raise ConfigError(
            f"command: an argument is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="command"
        )
    for name, value in config.env.items():
        if name in _OF_THE_SHELL:
            raise ConfigError(f"env: {name} is the shell's own; give it another name", field="env")
        if len(os.fsencode(value)) + len(name) > _LONGEST_WORD:
            raise ConfigError(
                f"env: {name[:80]} is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="env"
            )
    if sum(map(len, words)) + sum(map(len, config.env.values())) > _MOST_WORDS:
        raise ConfigError(f"command: it and env are longer than {_MOST_WORDS >> 10} KiB together", field="command")
