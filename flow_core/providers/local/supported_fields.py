"""The fields of a TaskConfig that this machine does not support, and the checks of its size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.agent.machine_info import read_memory_bytes
from flow_core.errors import CapacityError
from flow_core.providers.contract.request_checks import check_argument_sizes
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

UNSUPPORTED: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "k8s", lambda task: task.k8s, "there is no Kubernetes behind the local provider; choose a context that has one"
    ),
    UnsupportedField(
        "array",
        lambda task: task.array,
        "the local provider has no task arrays; submit several tasks, or use num_instances",
    ),
    UnsupportedField(
        "after",
        lambda task: task.after,
        "the local provider has no dependencies between tasks; wait for the first one, then submit",
    ),
    UnsupportedField(
        "scheduled_start_time",
        lambda task: task.scheduled_start_time,
        "the local provider starts a task as soon as it can; reserve GPUs for a later time instead",
    ),
)


def check_task(config: TaskConfig) -> None:
    """Checks a config against this machine. Raises Unsupported, ConfigError or CapacityError that names the field."""
    check_supported(config, UNSUPPORTED)
    check_argument_sizes(config)
    cpus, memory_gb = os.cpu_count(), read_memory_gb()
    if config.min_cpus and cpus and config.min_cpus > cpus:
        raise CapacityError(
            f"min_cpus: {config.min_cpus} CPUs are not available on this machine; it has {cpus}", field="min_cpus"
        )
    if config.min_memory_gb and memory_gb and config.min_memory_gb > memory_gb:
        raise CapacityError(
            f"min_memory_gb: {config.min_memory_gb} GB are not available on this machine; it has {memory_gb} GB",
            field="min_memory_gb",
        )


def read_memory_gb() -> int | None:
    """Returns the memory of the whole machine; None if the system doesn't report it."""
    size = read_memory_bytes()
    return None if size is None else round(size / 2**30)
