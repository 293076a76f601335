"""Measurements of a machine: its GPUs, their processes, its memory and load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU, or one MIG slice, at one time. A value is None if the driver reports none (`[N/A]`, `[Not Supported]`).

    `index` is the driver's. `mig_index` counts the slices of a GPU from 0; they follow their GPU. `ecc_errors` counts
    uncorrected errors since the driver was loaded. `xid` is the last one that the kernel reported.
    """

    index: int
    name: str
    uuid: str = ""
    mig_index: int | None = None
    utilization_percent: float | None = None
    memory_used_mb: float | None = None
    memory_total_mb: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    ecc_errors: int | None = None
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that uses memory of a GPU, or of the MIG slice that `gpu_uuid` names.

    `user` is its owner's name; `task_id` is the task of flow that it belongs to. Both are "" if unknown.
    """

    pid: int
    gpu_uuid: str
    name: str
    memory_mb: float | None = None
    user: str = ""
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class MachineSample:
    """A machine at one time. A machine without an NVIDIA driver has no GPUs here; that is no error.

    `has_driver` is whether there is a driver; it may still report no GPU. `gpu_problem` is the driver's error
    message; "" without an error. `load` is the average over one minute. Memory is the host's.
    """

    taken_at: datetime
    gpus: tuple[GpuSample, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    has_driver: bool = False
    gpu_problem: str = ""
    load: float | None = None
    cpu_count: int | None = None
    memory_used_gb: float | None = None
    memory_total_gb: float | None = None
