"""GPUs in use by tasks without a record, for example after the state directory was removed.

Their processes have a variable by which they are found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from flow_core.agent.layout import TaskFolder
from flow_core.agent.processes.table import iter_variable

VARIABLE = "FLOW_TASK_GPUS"
_CACHE_S = 5.0


def make_orphan_mark(task: TaskFolder, gpu_ids: Iterable[str]) -> str:
    """Returns the value of the variable for the processes of a task."""
    return f"{','.join(gpu_ids)}@{task.path}"


def find_orphan_gpus(root: Path) -> dict[str, int]:
    """Returns the GPUs in use, each with the pid of a process that uses it. Scans every process of this machine."""
    pids: dict[str, int] = {}
    for pid, value in iter_variable(VARIABLE):
        gpu_ids, _, folder = value.partition("@")
        if folder.startswith(f"{root}/") and not os.path.exists(TaskFolder(Path(folder)).spec):
            pids.update((gpu_id, pid) for gpu_id in gpu_ids.split(","))
    return pids


class OrphanGpuCache:
    """A cache of `find_orphan_gpus` for 5 s, because some callers call it often."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, dict[str, int]]] = {}

    def find(self, root: Path) -> dict[str, int]:
        checked_at, found = self._found.get(str(root), (-_CACHE_S, {}))
        now = time.monotonic()
        if now - checked_at >= _CACHE_S:
            found = find_orphan_gpus(root)
            self._found[str(root)] = now, found
        return found
