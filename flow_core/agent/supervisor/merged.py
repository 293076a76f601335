"""The ranks write to their logs themselves, both streams through one descriptor; their sidecars are kept true beside.

Standard library only; loaded only for such tasks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence

from flow_core.agent.spool import SidecarWriter, SpoolFiles
from flow_core.agent.supervisor.file_growth import shared_growth
from flow_core.agent.supervisor.launch import LaunchedProcess, OutputChannel

_REST_S = 0.05  # after a look: a loud task shall not have us look at every write
_LOOK_AGAIN_S = 1.0  # where nothing tells of writes


class MergedOutput:
    """The logs of all ranks of one attempt. What is written is there at once, whether we live or not."""

    def __init__(self, files: Sequence[SpoolFiles], now_us: Callable[[], int]) -> None:
        self._files = files
        self._sidecars = [SidecarWriter(one, now_us) for one in files]
        self._growth = shared_growth()
        self._is_told = sum(self._growth.watch(one.fileno()) for one in self._sidecars) == len(files)
        self._looks_at = 0.0 if self._is_told else time.monotonic()

    @property
    def fds(self) -> Collection[int]:
        """What to wait for."""
        return {self._growth.fileno()} if not self._looks_at else frozenset()

    @property
    def check_in_s(self) -> float | None:
        """In how many seconds to call `take` at the latest."""
        return max(0.0, self._looks_at - time.monotonic()) if self._looks_at else None

    def open_channel(self, rank: int) -> OutputChannel:
        """For the process that is about to be started. Raises OSError."""
        log = os.open(self._files[rank].log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return OutputChannel((os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), log, log))

    def add(self, rank: int, child: LaunchedProcess) -> None:
        """It has all it needs."""

    def take(self, ready: Collection[int]) -> bool:
        """Notes what has come; nothing is left to be read."""
        now = time.monotonic()
        if ready or 0.0 < self._looks_at <= now:
            self._growth.forget()
            has_grown = sum(one.note() for one in self._sidecars) > 0
            if not self._is_told:
                self._looks_at = now + _LOOK_AGAIN_S
            else:
                self._looks_at = now + _REST_S if has_grown else 0.0
        return False

    def close(self) -> None:
        for one in self._sidecars:
            one.note()
            one.close()
