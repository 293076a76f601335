"""How busy a machine is: its GPUs, who uses them, its memory and load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU, or one MIG slice, at a moment. `None` where the driver doesn't say (`[N/A]`, `[Not Supported]`).

    `index` is the driver's; `mig_index` counts the slices of a GPU from 0, and they come after it. `ecc_errors` are
    uncorrected ones since the driver was loaded; `xid` is the last one that the kernel reported.
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
    """A process that holds memory of a GPU, or of the MIG slice that `gpu_uuid` names.

    `user` is its owner's name, `task_id` the task of ours that it belongs to; "" where that can't be seen.
    """

    pid: int
    gpu_uuid: str
    name: str
    memory_mb: float | None = None
    user: str = ""
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class MachineSample:
    """A machine at a moment. A machine without an NVIDIA driver has no GPUs here, and that is no error.

    `has_driver` tells whether there is one, which may still show no GPU. `gpu_problem` is what the driver says instead
    of an answer, "" while nothing is wrong. `load` is the average over one minute. Memory is the host's.
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
