"""Turning a TaskConfig into the agent's request: what of this machine the task gets is chosen here."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.agent.machine import new_id
from flow_core.agent.submitting import submit
from flow_core.errors import CapacityError
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.gpu_models import Gpu, choose
from flow_core.providers.asked import task_name
from flow_core.providers.local.capacity.gpus import gpus_here
from flow_core.providers.local.capacity.limits import refuse_what_is_not_here
from flow_core.providers.local.containers.images import check_image
from flow_core.providers.offload import report_progress

if TYPE_CHECKING:
    from flow_core.agent.volumes import VolumeShelf
    from flow_core.models.spec import MountSpec, TaskConfig, VolumeSpec


def submit_task(config: TaskConfig, shelf: VolumeShelf, settings: Mapping[str, Any]) -> str:
    """The new task's id. Blocking. Raises ConfigError, Unsupported, CapacityError; Refused as the agent does."""
    refuse_what_is_not_here(config)
    request = request_for(config, settings)
    return submit(shelf.layout, request, shelf.tasks, shelf, report_progress)


def request_for(config: TaskConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the agent is asked. Raises ConfigError, CapacityError."""
    engine = settings.get("container")
    if config.image is not None:
        check_image(config, engine)
    return {
        "task_id": new_id("task"),
        "name": task_name(config),
        "command": config.command,
        "command_line": config.command_line,
        "env": dict(config.env),
        "working_dir": config.working_dir,
        "code_root": config.code_root,
        "image": config.image,
        "engine": None if config.image is None else engine,
        "streams": config.streams or "separate",
        "tty": config.tty,
        "ranks": config.num_instances,
        "distributed_mode": config.distributed_mode,
        "retries": _retries(config),
        "ports": list(config.ports),
        "max_run_time_hours": config.max_run_time_hours,
        "gpus": _gpus(config, settings.get("gpus")),
        "reservation": config.reservation_id,
        "allocation_mode": config.allocation_mode,
        "data_mounts": [_mount(mount) for mount in config.data_mounts],
        "volumes": [_volume(volume) for volume in config.volumes],
        "idempotency_key": config.idempotency_key,
        "has_boto3": bool(config.data_mounts) and importlib.util.find_spec("boto3") is not None,
        "config": config.said(),
    }


def _gpus(config: TaskConfig, setting: Any) -> dict[str, Any]:
    """Those of the first instance type that can be had here at all."""
    here, types = gpus_here(setting), config.instance_types
    if config.min_gpu_memory_gb is not None:
        return _gpus_for(GpuRequest(min_memory_gb=config.min_gpu_memory_gb), here, config.num_instances)
    for number, wanted in enumerate(types or ("cpu",), start=1):
        try:
            return _gpus_for(parse_gpu(wanted), here, config.num_instances)
        except CapacityError:
            if number == len(types):
                raise
    raise AssertionError("the last instance type is either there or raises")


def _gpus_for(request: GpuRequest, here: Sequence[Gpu], ranks: int) -> dict[str, Any]:
    if not request.needs_gpu:
        if request.cpus and request.cpus > (os.cpu_count() or request.cpus):
            raise CapacityError(f"{request} can't be had on this machine; it has {os.cpu_count()} CPUs")
        return {"wanted": str(request), "count": 0, "visible": {}, "hide": any(gpu.is_real for gpu in here)}
    fitting = choose(here, request, ranks)
    return {
        "wanted": f"{request.count}x{request.model or fitting[0].short_model}",
        "type": request.model or fitting[0].short_model,
        "count": request.count,
        "candidates": [gpu.gpu_id for gpu in fitting],
        "visible": {gpu.gpu_id: gpu.visible for gpu in fitting},
        "real": any(gpu.is_real for gpu in fitting),
        "hide": False,
    }


def _retries(config: TaskConfig) -> dict[str, Any] | None:
    """When the supervisor tries again: the delay grows by the factor, up to its limit."""
    wanted = config.retries
    if wanted is None or not wanted.max_retries:
        return None
    factor = 2.0 if wanted.mode == "exponential" else 1.0
    return {
        "max": wanted.max_retries,
        "delay_s": wanted.delay_s,
        "factor": factor,
        "max_delay_s": wanted.max_delay_s,
    }


def _mount(mount: MountSpec) -> dict[str, Any]:
    return {
        "source": mount.source,
        "target": mount.target,
        "mount_type": mount.mount_type,
        "options": dict(mount.options),
    }


def _volume(volume: VolumeSpec) -> dict[str, Any]:
    return {
        "volume_id": volume.volume_id,
        "name": volume.name,
        "size_gb": volume.size_gb,
        "interface": volume.interface,
        "create_if_missing": volume.create_if_missing,
        "target": volume.target,
    }
