"""The resources of this machine and their current use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flow_core.agent.capacity import leases, reservation_records
from flow_core.agent.gpus import DriverUnresponsive, has_driver, list_compute_processes, query_driver
from flow_core.agent.layout import Layout
from flow_core.agent.tasks import TaskStore

_PROCESSES_MAX = 64


def collect_machine_info(layout: Layout, tasks: TaskStore, pretend: Iterable[str]) -> dict[str, Any]:
    """Returns the resources of this machine and their use as a table that fits JSON.

    `pretend` are ids of GPUs that only the client treats as GPUs; their holders are reported too. May take seconds
    while no program uses the GPUs.
    """
    gpus, is_unresponsive = _gpus()
    pretend = list(pretend)
    gpu_ids = pretend or [gpu["gpu_id"] for gpu in gpus]
    holders = leases.find_holders(layout.root, gpu_ids)
    system = os.uname()
    statuses = [task.report.status for task in tasks.list_unfinished()]
    return {
        "system": f"{system.sysname} {system.nodename} {system.machine}",
        "cpus": os.cpu_count(),
        "memory_bytes": read_memory_bytes(),
        "free_memory_bytes": _available_bytes(),
        "load": _load_average(),
        "free_disk_bytes": _free_disk_bytes(layout.root),
        "gpus": gpus,
        "is_driver_silent": is_unresponsive,
        "held": {gpu_id: "" if task is None else task.task_id for gpu_id, task in holders.items()},
        "reserved": sorted(
            reservation_records.find_reserved_gpus(reservation_records.load_without_lock(layout.root)).keys()
            & set(gpu_ids)
        ),
        "waiting": statuses.count("pending"),
        "running": statuses.count("running"),
        "workers": []
        if pretend or not gpus
        else [process._asdict() for process in list_compute_processes()[:_PROCESSES_MAX]],
    }


def read_memory_bytes() -> int | None:
    """Returns the memory of the whole machine; None if the system doesn't report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _gpus() -> tuple[list[dict[str, Any]], bool]:
    try:
        found = query_driver() if has_driver() else ()
    except DriverUnresponsive:
        return [], True
    return [{"gpu_id": gpu.uuid, "model": gpu.model, "memory_bytes": gpu.memory_bytes} for gpu in found], False


def _available_bytes() -> int | None:
    """Returns the memory that is available; None if the system doesn't report it (Linux does)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            lines = dict(line.split(":", 1) for line in stream if ":" in line)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _free_disk_bytes(root: Path) -> int | None:
    folder = root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
