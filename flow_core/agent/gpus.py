"""The real GPUs of this machine: through NVML, else as `nvidia-smi` lists them. Standard library only."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.agent.nvml import DriverGpu

_DRIVER_SIGNS = ("/dev/nvidiactl", "/dev/dxg")
_QUERY = ("nvidia-smi", "--query-gpu=uuid,memory.total,name", "--format=csv,noheader,nounits")
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/lib/wsl/lib", "/usr/bin"))
_TIMEOUT_S = 30.0


@lru_cache(maxsize=1)
def real_gpus() -> tuple[DriverGpu, ...]:
    """None without a driver. May take seconds where no program uses the GPUs; asked once for each process."""
    if not any(os.path.exists(sign) for sign in _DRIVER_SIGNS):
        return ()
    return list_gpus()


def list_gpus() -> tuple[DriverGpu, ...]:
    """What the driver says now; empty where it says nothing."""
    from flow_core.agent.nvml import NvmlError, driver_gpus  # deferred: most machines have no driver to ask

    try:
        return driver_gpus()
    except NvmlError:
        return _from_smi()


def _from_smi() -> tuple[DriverGpu, ...]:
    import subprocess  # deferred: NVML answers nearly everywhere

    from flow_core.agent.nvml import DriverGpu

    try:
        done = subprocess.run(
            _QUERY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": _PATH, "LC_ALL": "C"},
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in done.stdout.decode(errors="replace").splitlines():
        uuid, _, rest = line.partition(", ")
        mebibytes, _, model = rest.partition(", ")  # the name comes last: it alone may hold a comma
        if model:
            found.append(DriverGpu(uuid, model, int(mebibytes) << 20 if mebibytes.isdigit() else None))
    return tuple(found)
