"""GPUs that are used by tasks of which no record is left, as after the state directory was removed.

Their processes say so themselves, in a variable that each task gets. Standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from flow_core.agent.layout import TaskFolder
from flow_core.agent.supervisor.process_table import iter_variable

VARIABLE = "FLOW_TASK_GPUS"
_KEPT_S = 5.0


def orphan_mark(task: TaskFolder, gpu_ids: Iterable[str]) -> str:
    """The variable's value in the processes of a task."""
    return f"{','.join(gpu_ids)}@{task.path}"


def find_orphan_gpus(root: Path) -> dict[str, int]:
    """The GPUs, each with the number of a process that uses it. Looks at every process of this machine."""
    used: dict[str, int] = {}
    for pid, value in iter_variable(VARIABLE):
        gpu_ids, _, folder = value.partition("@")
        if folder.startswith(f"{root}/") and not os.path.exists(TaskFolder(Path(folder)).spec):
            used.update((gpu_id, pid) for gpu_id in gpu_ids.split(","))
    return used


class OrphanGpuCache:
    """The same for whoever looks often: what was found is kept for a few seconds."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, dict[str, int]]] = {}

    def used(self, root: Path) -> dict[str, int]:
        looked_at, found = self._found.get(str(root), (-_KEPT_S, {}))
        now = time.monotonic()
        if now - looked_at >= _KEPT_S:
            found = find_orphan_gpus(root)
            self._found[str(root)] = now, found
        return found
