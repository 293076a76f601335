"""What a TaskConfig may ask for that machines reached by SSH don't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Unsupported
from flow_core.providers.asked import refuse_separate_streams, refuse_what_no_process_takes

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_OF_THE_SHELL = frozenset({"UID", "EUID", "PPID", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO"})

_FOR_OTHERS = {
    "image": "machines reached by SSH run no images; start the container in the command instead",
    "k8s": "there is no Kubernetes behind machines reached by SSH; choose a context that has one",
    "array": "machines reached by SSH have no task arrays; submit several tasks, or use num_instances",
    "after": "machines reached by SSH have no dependencies between tasks; wait for the first one, then submit",
    "scheduled_start_time": "machines reached by SSH start a task as soon as they can; submit it later",
    "tty": "machines reached by SSH run tasks without a terminal; leave it out, or start script(1) in the command",
    "reservation_id": "machines reached by SSH have no reservations; leave it out",
}


def refuse_what_no_machine_does(config: TaskConfig) -> None:
    """Raises Unsupported or ConfigError that names the field."""
    for field, sentence in _FOR_OTHERS.items():
        if getattr(config, field):
            raise Unsupported(f"{field}: {sentence}")
    if config.allocation_mode == "reserved":
        raise Unsupported(f"allocation_mode: {_FOR_OTHERS['reservation_id']}")
    refuse_separate_streams(config, "machines reached by SSH")
    refuse_what_no_process_takes(config)
    _refuse_what_is_the_shells_own(config)


def refuse_what_several_machines_do_not(config: TaskConfig) -> None:
    """Raises Unsupported that names the field."""
    if config.volumes or any(mount.mount_type == "volume" for mount in config.data_mounts):
        raise Unsupported("volumes: a volume lies on one machine; give several the same folder by data_mounts")
    if config.retries is not None and config.retries.max_retries:
        raise Unsupported("retries: the machines of a task know nothing of one another; submit it again instead")


def _refuse_what_is_the_shells_own(config: TaskConfig) -> None:
    for name in config.env:
        if name in _OF_THE_SHELL:
            raise ConfigError(f"env: {name} is the shell's own; give it another name", field="env")
