"""What a TaskConfig may ask for that this machine doesn't have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.agent.machine_info import memory_bytes
from flow_core.errors import CapacityError, Unsupported
from flow_core.providers.asked import refuse_what_no_process_takes

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

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
    refuse_what_no_process_takes(config)
    cpus, memory_gb = os.cpu_count(), memory_here_gb()
    if config.min_cpus and cpus and config.min_cpus > cpus:
        raise CapacityError(f"min_cpus: {config.min_cpus} CPUs can't be had on this machine; it has {cpus}")
    if config.min_memory_gb and memory_gb and config.min_memory_gb > memory_gb:
        raise CapacityError(
            f"min_memory_gb: {config.min_memory_gb} GB can't be had on this machine; it has {memory_gb} GB"
        )


def memory_here_gb() -> int | None:
    """Of the whole machine; None where the system doesn't say."""
    size = memory_bytes()
    return None if size is None else round(size / 2**30)
