"""Builds the part of an agent's submit request that is the same for every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flow_core.gpu_matching import Gpu
    from flow_core.models.task_config import MountSpec, TaskConfig, VolumeSpec


def build_request(config: TaskConfig, name: str, task_id: str) -> dict[str, Any]:
    """Builds the submit request as JSON data, without the GPUs and the machine's settings, which the caller adds."""
    return {
        "task_id": task_id,
        "name": name,
        "command": config.command if isinstance(config.command, str) else list(config.command),
        "command_line": config.command_line,
        "env": dict(config.env),
        "working_dir": config.working_dir,
        "code_root": config.code_root,
        "image": config.image,
        "streams": config.streams,
        "tty": config.tty,
        "ranks": config.num_instances,
        "distributed_mode": config.distributed_mode,
        "retries": _make_retry_policy(config),
        "ports": list(config.ports),
        "max_run_time_hours": config.max_run_time_hours,
        "reservation": config.reservation_id,
        "allocation_mode": config.allocation_mode,
        "data_mounts": [_make_mount(mount) for mount in config.data_mounts],
        "volumes": [_make_volume(volume) for volume in config.volumes],
        "idempotency_key": config.idempotency_key,
        "config": config.to_dict(),
    }


def build_gpu_request_part(count: int, model: str, candidates: Sequence[Gpu]) -> dict[str, Any]:
    """Builds the part of the request about GPUs: `count` of `candidates`, the suitable GPUs of one machine."""
    return {
        "wanted": f"{count}x{model}",
        "type": model,
        "count": count,
        "candidates": [gpu.gpu_id for gpu in candidates],
        "visible": {gpu.gpu_id: gpu.visible for gpu in candidates},
        "real": any(gpu.is_real for gpu in candidates),
        "hide": False,
    }


def build_no_gpu_part(instance_type: str, gpus: Sequence[Gpu]) -> dict[str, Any]:
    """Builds the part of the request about GPUs for a task without any; hides the machine's GPUs from it."""
    return {"wanted": instance_type, "count": 0, "visible": {}, "hide": any(gpu.is_real for gpu in gpus)}


def get_volume_name(mount: MountSpec) -> str:
    """Returns the volume that a data mount names; "" if it names something else."""
    if mount.source.startswith("volume://"):
        return mount.source.removeprefix("volume://")
    return mount.source if mount.mount_type == "volume" else ""


def is_s3(mount: MountSpec) -> bool:
    """Returns whether the data of a mount is fetched from S3."""
    return not get_volume_name(mount) and (mount.mount_type == "s3fs" or mount.source.startswith("s3://"))


def _make_retry_policy(config: TaskConfig) -> dict[str, Any] | None:
    """Builds the retry policy of the supervisor: the delay grows by the factor, up to its limit."""
    policy = config.retries
    if policy is None or not policy.max_retries:
        return None
    factor = 2.0 if policy.mode == "exponential" else 1.0
    return {
        "max": policy.max_retries,
        "delay_s": policy.delay_s,
        "factor": factor,
        "max_delay_s": policy.max_delay_s,
    }


def _make_mount(mount: MountSpec) -> dict[str, Any]:
    return {
        "source": mount.source,
        "target": mount.target,
        "mount_type": mount.mount_type,
        "options": dict(mount.options),
    }


def _make_volume(volume: VolumeSpec) -> dict[str, Any]:
    return {
        "volume_id": volume.volume_id,
        "name": volume.name,
        "size_gb": volume.size_gb,
        "interface": volume.interface,
        "create_if_missing": volume.create_if_missing,
        "target": volume.target,
    }
