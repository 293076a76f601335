"""Converts a TaskConfig to the agent's request, and chooses the GPUs and the engine of this machine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.agent.machine_id import make_new_id
from flow_core.agent.submit import submit
from flow_core.errors import CapacityError
from flow_core.gpu_matching import Gpu, choose_gpus
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.contract.request_checks import build_task_name
from flow_core.providers.local.capacity.gpus import find_gpus
from flow_core.providers.local.supported_fields import check_task
from flow_core.providers.over_agent.container_request_checks import check_image
from flow_core.providers.over_agent.submit_requests import build_gpu_request_part, build_no_gpu_part, build_request

if TYPE_CHECKING:
    from flow_core.agent.volumes import VolumeStore
    from flow_core.models.task_config import TaskConfig


def submit_task(config: TaskConfig, volumes: VolumeStore, settings: Mapping[str, Any]) -> str:
    """Submits a task and returns its id. Does blocking I/O. Raises ConfigError, Unsupported, CapacityError, Refused."""
    check_task(config)
    request = build_submit_request(config, settings)
    return submit(volumes.layout, request, volumes.tasks, volumes, report_progress)


def build_submit_request(config: TaskConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the submit request for the agent. Raises ConfigError, CapacityError."""
    engine = settings.get("container")
    if config.image is not None:
        check_image(config, engine)
    return {
        **build_request(config, build_task_name(config), make_new_id("task")),
        "engine": None if config.image is None else engine,
        "streams": config.streams or "separate",
        "gpus": _choose_gpus(config, settings.get("gpus")),
        "has_boto3": bool(config.data_mounts) and importlib.util.find_spec("boto3") is not None,
    }


def _choose_gpus(config: TaskConfig, setting: Any) -> dict[str, Any]:
    """Chooses the GPUs of the first instance type that this machine can provide at all."""
    machine_gpus, types = find_gpus(setting), config.instance_types
    if config.min_gpu_memory_gb is not None:
        return _choose_gpus_for(GpuRequest(min_memory_gb=config.min_gpu_memory_gb), machine_gpus, config.num_instances)
    for number, instance_type in enumerate(types or ("cpu",), start=1):
        try:
            return _choose_gpus_for(parse_gpu(instance_type), machine_gpus, config.num_instances)
        except CapacityError:
            if number == len(types):
                raise
    raise AssertionError("the last instance type is either there or raises")


def _choose_gpus_for(request: GpuRequest, machine_gpus: Sequence[Gpu], ranks: int) -> dict[str, Any]:
    if not request.needs_gpu:
        if request.cpus and request.cpus > (os.cpu_count() or request.cpus):
            raise CapacityError(f"{request} is not available on this machine; it has {os.cpu_count()} CPUs")
        return build_no_gpu_part(str(request), machine_gpus)
    fitting = choose_gpus(machine_gpus, request, ranks)
    return build_gpu_request_part(request.count, request.model or fitting[0].short_model, fitting)
