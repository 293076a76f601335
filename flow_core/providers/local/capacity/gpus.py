"""The GPUs of this machine: real ones, or pretend ones for trying things out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flow_core.agent.gpus import load_gpus
from flow_core.gpu_matching import Gpu, parse_declared_gpus

if TYPE_CHECKING:
    from flow_core.agent.nvml import DriverGpu


def gpus_here(setting: Any = None) -> tuple[Gpu, ...]:
    """Pretend ones of `$FLOW_LOCAL_GPUS` ("a100:4,h100:2") or of the setting, else the real ones."""
    declared = os.environ.get("FLOW_LOCAL_GPUS") or setting
    if not declared:
        return tuple(_known(one) for one in load_gpus())
    if isinstance(declared, list | tuple):
        declared = ",".join(str(part) for part in declared)
    return parse_declared_gpus(str(declared))


def _known(one: DriverGpu) -> Gpu:
    memory_gb = None if one.memory_bytes is None else round(one.memory_bytes / 2**30)
    return Gpu(one.uuid, one.model, memory_gb, one.uuid, True)
