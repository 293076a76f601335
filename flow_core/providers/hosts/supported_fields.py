"""The fields of a TaskConfig that machines reached over SSH do not support."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.providers.contract.request_checks import check_argument_sizes
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported
from flow_core.providers.over_agent.submit_requests import get_volume_name

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

UNSUPPORTED: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "k8s",
        lambda task: task.k8s,
        "there is no Kubernetes behind machines reached by SSH; choose a context that has one",
    ),
    UnsupportedField(
        "array",
        lambda task: task.array,
        "machines reached by SSH have no task arrays; submit several tasks, or use num_instances",
    ),
    UnsupportedField(
        "after",
        lambda task: task.after,
        "machines reached by SSH have no dependencies between tasks; wait for the first one, then submit",
    ),
    UnsupportedField(
        "scheduled_start_time",
        lambda task: task.scheduled_start_time,
        "machines reached by SSH start a task as soon as they can; submit the task later",
    ),
    UnsupportedField(
        "streams",
        lambda task: task.streams == "separate",
        "machines reached by SSH keep stdout and stderr in one log; write merged, or leave it out",
    ),
)
UNSUPPORTED_ON_SEVERAL: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "volumes",
        lambda task: task.volumes or any(map(get_volume_name, task.data_mounts)),
        "a volume is on one machine; mount a shared folder with data_mounts",
    ),
    UnsupportedField(
        "retries",
        lambda task: task.retries is not None and task.retries.max_retries,
        "the machines of a task don't coordinate retries; submit the task again instead",
    ),
    UnsupportedField(
        "reservation_id",
        lambda task: task.reservation_id is not None or task.allocation_mode == "reserved",
        "a reservation is on one machine; leave it out, or use one machine",
    ),
)
"""The fields that a task on several machines can't have."""


def check_task(config: TaskConfig) -> None:
    """Checks the fields that no machine supports. Raises Unsupported or ConfigError that names the field."""
    check_supported(config, UNSUPPORTED)
    check_argument_sizes(config)


def check_several(config: TaskConfig) -> None:
    """Checks the fields that a task on several machines can't have. Raises Unsupported that names the field."""
    if config.num_instances > 1:
        check_supported(config, UNSUPPORTED_ON_SEVERAL)
