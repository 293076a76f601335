"""Detects with certainty that a task's folder was deleted: then no client can ask for the task again.

An error is no proof: a disk may come back, and a file server may have restarted. Standard library only.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flow_core.agent.file_systems import is_certainly_local

_CHECK_S = 30.0


class DeletionWatch:
    """Watches one folder.

    The folder counts as deleted once its open descriptor had no link in two checks, with enough time between them.
    """

    def __init__(self, folder: Path, certain_after_s: float) -> None:
        self._certain_after_s = certain_after_s
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_local = is_certainly_local(folder)
        self._checked_at = time.monotonic()
        self._missing_since: float | None = None
        self._is_certain = False

    @property
    def check_in_s(self) -> float:
        """The time until `is_certain` must be read again."""
        interval_s = _CHECK_S if self._missing_since is None else self._certain_after_s
        return max(0.0, self._checked_at + min(interval_s, self._certain_after_s) - time.monotonic())

    @property
    def is_certain(self) -> bool:
        """True if the folder was deleted. False on file systems that may be remote."""
        if self._is_local and not self._is_certain and not self.check_in_s:
            self._check()
        return self._is_certain

    def _check(self) -> None:
        self._checked_at = time.monotonic()
        try:
            is_missing = os.fstat(self._fd).st_nlink == 0
        except OSError:
            is_missing = False
        if not is_missing:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = self._checked_at
        else:
            self._is_certain = self._checked_at - self._missing_since >= self._certain_after_s


def certain_after_s() -> float:
    """Return how long a folder must have been missing."""
    try:
        return float(os.environ["FLOW_LOCAL_DELETED_S"])
    except (KeyError, ValueError):
        return 60.0
