"""The real GPUs of this machine and the processes that use them, read through NVML, otherwise through `nvidia-smi`."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flow_core.agent.nvml import DriverGpu

PRETEND_PREFIX = "pretend-"
"""Prefix of the id of a declared GPU, which exists only for this program."""

_DRIVER_FILES = ("/dev/nvidiactl", "/dev/dxg")
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/lib/wsl/lib", "/usr/bin"))
_TIMEOUT_S, _PROCESSES_TIMEOUT_S = 30.0, 5.0
_CACHE_S = 2.0
_ID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]+")


class DriverUnresponsive(Exception):
    """A driver is installed, but it doesn't respond."""


class ComputeProcess(NamedTuple):
    """A process that uses a GPU, of any user."""

    gpu_id: str
    pid: int
    user: str
    program: str


@lru_cache(maxsize=1)
def load_gpus() -> tuple[DriverGpu, ...]:
    """Returns the GPUs, read once per process; an empty tuple without a driver.

    The call may take seconds while no program uses the GPUs.
    """
    return list_gpus() if has_driver() else ()


def list_gpus() -> tuple[DriverGpu, ...]:
    """Returns the GPUs that the driver reports now; an empty tuple if it doesn't respond."""
    try:
        return query_driver()
    except DriverUnresponsive:
        return ()


def query_driver() -> tuple[DriverGpu, ...]:
    """Returns the GPUs; an empty tuple without a driver. Raises DriverUnresponsive."""
    from flow_core.agent.nvml import NvmlError, list_driver_gpus  # lazy import: most machines have no driver

    try:
        return list_driver_gpus()
    except NvmlError:
        return _query_nvidia_smi()


def has_driver() -> bool:
    """Returns whether the files of a driver exist."""
    return any(os.path.exists(sign) for sign in _DRIVER_FILES) or _find_nvidia_smi() is not None


def list_compute_processes() -> tuple[ComputeProcess, ...]:
    """Returns the processes that use GPUs now; none if `nvidia-smi` is missing or fails. Takes at most 5 s."""
    found = []
    for gpu_id, pid, program in _run_nvidia_smi(
        "--query-compute-apps=gpu_uuid,pid,process_name", 3, _PROCESSES_TIMEOUT_S
    ):
        if pid.isdigit():
            found.append(ComputeProcess(gpu_id, int(pid), _find_user(int(pid)), program.rpartition("/")[2]))
    return tuple(found)


class _BusyGpuCache:
    """The GPUs that the last query found busy. The result is kept for 2 s, because some callers call it often."""

    checked_at = -_CACHE_S
    found: frozenset[str] = frozenset()


def find_busy_gpus(gpu_ids: Iterable[str]) -> frozenset[str]:
    """Returns the GPUs that a process uses."""
    real = {gpu_id for gpu_id in gpu_ids if not gpu_id.startswith(PRETEND_PREFIX)}
    if not real:
        return frozenset()
    if time.monotonic() - _BusyGpuCache.checked_at >= _CACHE_S:
        _BusyGpuCache.found = frozenset(process.gpu_id for process in list_compute_processes())
        _BusyGpuCache.checked_at = time.monotonic()
    return _BusyGpuCache.found & real


def _query_nvidia_smi() -> tuple[DriverGpu, ...]:
    from flow_core.agent.nvml import DriverGpu

    found = []
    for uuid, mebibytes, model in _run_nvidia_smi(
        "--query-gpu=uuid,memory.total,name", 3, _TIMEOUT_S, is_required=True
    ):
        found.append(DriverGpu(uuid, model, int(mebibytes) << 20 if mebibytes.isdigit() else None))
    return tuple(found)


def _run_nvidia_smi(query: str, columns: int, timeout_s: float, is_required: bool = False) -> list[list[str]]:
    """Returns the lines that have this many columns; the last column may contain commas.

    Raises DriverUnresponsive if `is_required`, otherwise returns none.
    """
    program = _find_nvidia_smi()
    if program is None:
        return []
    import subprocess  # lazy import: NVML works on nearly all machines

    try:
        completed = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        if is_required:
            raise DriverUnresponsive from error
        return []
    rows = [line.split(", ", columns - 1) for line in completed.stdout.decode(errors="replace").splitlines()]
    return [[part.strip() for part in row] for row in rows if len(row) == columns and _ID.fullmatch(row[0].strip())]


def _find_nvidia_smi() -> str | None:
    for folder in _PATH.split(os.pathsep):
        path = os.path.join(folder or ".", "nvidia-smi")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _find_user(pid: int) -> str:
    import pwd  # lazy import: listing the GPUs needs none of it

    try:
        return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        return ""
