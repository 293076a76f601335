"""The names in the folder of tasks; the folder isn't listed again while it is unchanged."""

from __future__ import annotations

import os
import time

from flow_core.agent.layout import Layout

_RACE_S = 2.0  # a folder that changed this recently may change again within the same mtime
_FULL_LIST_S = 30.0  # the clock of a file server may differ so much that a change goes unnoticed


class TaskNames:
    """The names of one context's tasks. `listings` counts how often the folder was listed."""

    def __init__(self, layout: Layout) -> None:
        self._folder = str(layout.tasks)
        self._stamp: tuple[int, int] | None = None
        self._listed_at = -_FULL_LIST_S
        self.listings = 0

    def list_if_changed(self, *, is_forced: bool = False) -> set[str] | None:
        """Returns all names, also those of other entries; None if they are the same as last time. Raises OSError."""
        stamp, now = self._find_stamp(), time.monotonic()
        is_due = is_forced or now - self._listed_at >= _FULL_LIST_S
        if not is_due and stamp is not None and stamp == self._stamp:
            return None
        try:
            names = set(os.listdir(self._folder))
        except FileNotFoundError:
            names = set()
        self._stamp, self._listed_at = stamp, now
        self.listings += 1
        return names

    def _find_stamp(self) -> tuple[int, int] | None:
        """Returns a stamp of the folder; None if it can't show whether a task was added or removed."""
        try:
            status = os.stat(self._folder)
        except FileNotFoundError:
            return None
        return None if time.time() - status.st_mtime < _RACE_S else (status.st_ino, status.st_mtime_ns)
