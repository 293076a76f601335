"""The GPUs of this machine: real ones through NVML, or pretend ones for trying things out."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from flow_core.gpu_models import Gpu, pretend_gpus

_DRIVER_SIGNS = ("/dev/nvidiactl", "/dev/dxg")


def gpus_here(setting: Any = None) -> tuple[Gpu, ...]:
    """Pretend ones of `$FLOW_LOCAL_GPUS` ("a100:4,h100:2") or of the setting, else the real ones."""
    declared = os.environ.get("FLOW_LOCAL_GPUS") or setting
    if not declared:
        return _real_gpus()
    if isinstance(declared, list | tuple):
        declared = ",".join(str(part) for part in declared)
    return pretend_gpus(str(declared))


@lru_cache(maxsize=1)
def _real_gpus() -> tuple[Gpu, ...]:
    if not any(Path(sign).exists() for sign in _DRIVER_SIGNS):
        return ()
    import pynvml  # deferred: most machines have no driver to ask

    try:
        pynvml.nvmlInit()
        return tuple(_real_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()


def _real_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
    total: int = nvml.nvmlDeviceGetMemoryInfo(handle).total
    model = name.decode() if isinstance(name, bytes) else str(name)
    known_as = uuid.decode() if isinstance(uuid, bytes) else str(uuid)
    return Gpu(known_as, model, round(total / 2**30), known_as, True)
