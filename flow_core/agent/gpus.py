"""The real GPUs of this machine, and who works on them: through NVML, else as `nvidia-smi` says.

Standard library only.
"""

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
"""How the id begins of a GPU that stands for one only to us."""

_DRIVER_SIGNS = ("/dev/nvidiactl", "/dev/dxg")
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/lib/wsl/lib", "/usr/bin"))
_TIMEOUT_S, _WORKERS_S = 30.0, 5.0
_KEPT_S = 2.0
_ID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]+")


class DriverUnresponsive(Exception):
    """There is a driver, and it does not answer."""


class ComputeProcess(NamedTuple):
    """A process that works on a GPU, whoever started it."""

    gpu_id: str
    pid: int
    user: str
    program: str


@lru_cache(maxsize=1)
def load_gpus() -> tuple[DriverGpu, ...]:
    """None without a driver. May take seconds where no program uses the GPUs; asked once for each process."""
    return list_gpus() if has_driver() else ()


def list_gpus() -> tuple[DriverGpu, ...]:
    """What the driver says now; empty where it says nothing."""
    try:
        return query_driver()
    except DriverUnresponsive:
        return ()


def query_driver() -> tuple[DriverGpu, ...]:
    """Empty without a driver. Raises DriverSilent."""
    from flow_core.agent.nvml import NvmlError, list_driver_gpus  # deferred: most machines have no driver to ask

    try:
        return list_driver_gpus()
    except NvmlError:
        return _from_smi()


def has_driver() -> bool:
    """As far as its files tell."""
    return any(os.path.exists(sign) for sign in _DRIVER_SIGNS) or _smi() is not None


def list_compute_processes() -> tuple[ComputeProcess, ...]:
    """The processes that work on GPUs now; none where `nvidia-smi` is missing or silent. At most a few seconds."""
    found = []
    for gpu_id, pid, program in _rows("--query-compute-apps=gpu_uuid,pid,process_name", 3, _WORKERS_S):
        if pid.isdigit():
            found.append(ComputeProcess(gpu_id, int(pid), _user_of(int(pid)), program.rpartition("/")[2]))
    return tuple(found)


class _BusyGpuCache:
    """For whoever looks often: what was found is kept for a moment."""

    looked_at = -_KEPT_S
    found: frozenset[str] = frozenset()


def find_busy_gpus(gpu_ids: Iterable[str]) -> frozenset[str]:
    """Those of these GPUs on which some process works."""
    real = {gpu_id for gpu_id in gpu_ids if not gpu_id.startswith(PRETEND_PREFIX)}
    if not real:
        return frozenset()
    if time.monotonic() - _BusyGpuCache.looked_at >= _KEPT_S:
        _BusyGpuCache.found = frozenset(worker.gpu_id for worker in list_compute_processes())
        _BusyGpuCache.looked_at = time.monotonic()
    return _BusyGpuCache.found & real


def _from_smi() -> tuple[DriverGpu, ...]:
    from flow_core.agent.nvml import DriverGpu

    found = []
    for uuid, mebibytes, model in _rows("--query-gpu=uuid,memory.total,name", 3, _TIMEOUT_S, is_required=True):
        found.append(DriverGpu(uuid, model, int(mebibytes) << 20 if mebibytes.isdigit() else None))
    return tuple(found)


def _rows(query: str, columns: int, timeout_s: float, is_required: bool = False) -> list[list[str]]:
    """Lines with so many columns, the last of which may hold commas. Raises DriverSilent where that matters."""
    program = _smi()
    if program is None:
        return []
    import subprocess  # deferred: NVML answers nearly everywhere

    try:
        done = subprocess.run(
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
    rows = [line.split(", ", columns - 1) for line in done.stdout.decode(errors="replace").splitlines()]
    return [[part.strip() for part in row] for row in rows if len(row) == columns and _ID.fullmatch(row[0].strip())]


def _smi() -> str | None:
    for folder in _PATH.split(os.pathsep):
        path = os.path.join(folder or ".", "nvidia-smi")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _user_of(pid: int) -> str:
    import pwd  # deferred: who only wants the GPUs needs none of it

    try:
        return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        return ""
