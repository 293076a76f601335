"""What a TaskConfig may ask for that this machine doesn't have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.errors import CapacityError, ConfigError, Unsupported

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_LONGEST_WORD = 127 << 10  # Linux takes 128 KiB an argument or variable, its name and a NUL included
_MOST_WORDS = 768 << 10  # macOS takes 1 MiB in all, our own variables and those of the user included

_FOR_OTHERS = {
    "k8s": "there is no Kubernetes behind the local provider; choose a context that has one",
    "array": "the local provider has no task arrays; submit several tasks, or use num_instances",
    "after": "the local provider has no dependencies between tasks; wait for the first one, then submit",
    "scheduled_start_time": "the local provider starts a task as soon as it can; reserve GPUs for a later time instead",
}


def refuse_what_is_not_here(config: TaskConfig) -> None:
    """Raises Unsupported or CapacityError that names the field."""
    for field, sentence in _FOR_OTHERS.items():
        if getattr(config, field):
            raise Unsupported(f"{field}: {sentence}")
    _refuse_what_no_process_takes(config)
    cpus, memory_gb = os.cpu_count(), memory_here_gb()
    if config.min_cpus and cpus and config.min_cpus > cpus:
        raise CapacityError(f"min_cpus: {config.min_cpus} CPUs can't be had on this machine; it has {cpus}")
    if config.min_memory_gb and memory_gb and config.min_memory_gb > memory_gb:
        raise CapacityError(
            f"min_memory_gb: {config.min_memory_gb} GB can't be had on this machine; it has {memory_gb} GB"
        )


def _refuse_what_no_process_takes(config: TaskConfig) -> None:
    """The system refuses long arguments only when the command is started, and then it is too late to say so."""
    words = [config.command] if isinstance(config.command, str) else config.command
    if any(len(os.fsencode(word)) > _LONGEST_WORD for word in words):
        raise ConfigError(
            f"command: an argument is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="command"
        )
    for name, value in config.env.items():
        if len(os.fsencode(value)) + len(name) > _LONGEST_WORD:
            raise ConfigError(
                f"env: {name[:80]} is longer than {_LONGEST_WORD >> 10} KiB; put it in a file", field="env"
            )
    if sum(map(len, words)) + sum(map(len, config.env.values())) > _MOST_WORDS:
        raise ConfigError(f"command: it and env are longer than {_MOST_WORDS >> 10} KiB together", field="command")


def memory_here_gb() -> int | None:
    """Of the whole machine; None where the system doesn't say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError):
        return None
