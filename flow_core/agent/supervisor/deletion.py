"""Whether the folder of a task was deleted for certain: then nobody can ask for the task again. Standard library only.

An error is no deletion. A disk that is away comes back, and a server that forgot a file may have been restarted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flow_core.agent.file_systems import is_certainly_local

_LOOK_S = 30.0


class DeletionWatch:
    """Watches one folder. It is deleted once its open descriptor has no name left, twice in a row with time between."""

    def __init__(self, folder: Path, certain_after_s: float) -> None:
        self._certain_after_s = certain_after_s
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_local = is_certainly_local(folder)
        self._looked_at = time.monotonic()
        self._missing_since: float | None = None
        self._is_certain = False

    @property
    def check_in_s(self) -> float:
        """When to ask `is_certain` again."""
        every_s = _LOOK_S if self._missing_since is None else self._certain_after_s
        return max(0.0, self._looked_at + min(every_s, self._certain_after_s) - time.monotonic())

    @property
    def is_certain(self) -> bool:
        if self._is_local and not self._is_certain and not self.check_in_s:
            self._look()
        return self._is_certain

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            is_missing = os.fstat(self._fd).st_nlink == 0
        except OSError:
            is_missing = False
        if not is_missing:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = self._looked_at
        else:
            self._is_certain = self._looked_at - self._missing_since >= self._certain_after_s


def certain_after_s() -> float:
    """How long a folder must have been missing."""
    try:
        return float(os.environ["FLOW_LOCAL_DELETED_S"])
    except (KeyError, ValueError):
        return 60.0
