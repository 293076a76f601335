"""What a TaskConfig may ask for that machines reached by SSH don't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import Unsupported
from flow_core.providers.asked import refuse_separate_streams, refuse_what_no_process_takes
from flow_core.providers.submit_requests import volume_name

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_FOR_OTHERS = {
    "k8s": "there is no Kubernetes behind machines reached by SSH; choose a context that has one",
    "array": "machines reached by SSH have no task arrays; submit several tasks, or use num_instances",
    "after": "machines reached by SSH have no dependencies between tasks; wait for the first one, then submit",
    "scheduled_start_time": "machines reached by SSH start a task as soon as they can; submit it later",
}


def refuse_what_no_machine_does(config: TaskConfig) -> None:
    """Raises Unsupported or ConfigError that names the field."""
    for field, sentence in _FOR_OTHERS.items():
        if getattr(config, field):
            raise Unsupported(f"{field}: {sentence}")
    refuse_separate_streams(config, "machines reached by SSH")
    refuse_what_no_process_takes(config)


def refuse_what_several_machines_do_not(config: TaskConfig) -> None:
    """Raises Unsupported that names the field."""
    if config.volumes or any(map(volume_name, config.data_mounts)):
        raise Unsupported("volumes: a volume lies on one machine; give several the same folder by data_mounts")
    if config.retries is not None and config.retries.max_retries:
        raise Unsupported("retries: the machines of a task know nothing of one another; submit it again instead")
    if config.reservation_id is not None or config.allocation_mode == "reserved":
        raise Unsupported("reservation_id: a reservation lies on one machine; leave it out, or take one machine")
