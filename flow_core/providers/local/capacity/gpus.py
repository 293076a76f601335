"""The GPUs of this machine: detected ones, or declared ones to try things out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flow_core.agent.gpus import load_gpus
from flow_core.gpu_matching import Gpu, parse_declared_gpus

if TYPE_CHECKING:
    from flow_core.agent.nvml import DriverGpu


def find_gpus(setting: Any = None) -> tuple[Gpu, ...]:
    """Returns the GPUs that `$FLOW_LOCAL_GPUS` ("a100:4,h100:2") or the setting declares, or the detected GPUs."""
    declared = os.environ.get("FLOW_LOCAL_GPUS") or setting
    if not declared:
        return tuple(_to_gpu(gpu) for gpu in load_gpus())
    if isinstance(declared, list | tuple):
        declared = ",".join(str(part) for part in declared)
    return parse_declared_gpus(str(declared))


def _to_gpu(gpu: DriverGpu) -> Gpu:
    memory_gb = None if gpu.memory_bytes is None else round(gpu.memory_bytes / 2**30)
    return Gpu(gpu.uuid, gpu.model, memory_gb, gpu.uuid, True)
