"""Output of ranks that write to their logs themselves, both streams through one descriptor.

The supervisor writes the sidecars. Loaded only for such tasks.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence

from flow_core.agent.spool import SidecarWriter, SpoolFiles
from flow_core.agent.supervisor.process_launch import LaunchedProcess, OutputChannel

_PAUSE_S = 0.05  # pause after a check: the supervisor must not wake at every write of a task that writes without pause
_POLL_S = 1.0  # poll interval without notifications of writes
_IN_MODIFY = 0x2
_READ_BYTES = 1 << 12
_instances: list[FileGrowthWatcher] = []


class MergedOutput:
    """The logs of all ranks of one attempt. Written bytes are in the log immediately, even if this process dies."""

    def __init__(self, files: Sequence[SpoolFiles], now_us: Callable[[], int]) -> None:
        self._files = files
        self._sidecars = [SidecarWriter(one, now_us) for one in files]
        self._watcher = get_growth_watcher()
        self._has_notifications = sum(self._watcher.watch(one.fileno()) for one in self._sidecars) == len(files)
        self._check_at = 0.0 if self._has_notifications else time.monotonic()

    @property
    def fds(self) -> Collection[int]:
        """The descriptors to wait for."""
        return {self._watcher.fileno()} if not self._check_at else frozenset()

    @property
    def check_in_s(self) -> float | None:
        """The time until `read` must be called at the latest."""
        return max(0.0, self._check_at - time.monotonic()) if self._check_at else None

    def open_channel(self, rank: int) -> OutputChannel:
        """Opens the channel for the process that is about to start. Raises OSError."""
        log = os.open(self._files[rank].log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return OutputChannel((os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), log, log))

    def add(self, rank: int, child: LaunchedProcess) -> None:
        """Does nothing: the process writes to its log itself."""

    def read(self, ready: Collection[int]) -> bool:
        """Records the growth of the logs; returns False, since there is nothing to read."""
        now = time.monotonic()
        if ready or 0.0 < self._check_at <= now:
            self._watcher.drain()
            has_grown = sum(one.note() for one in self._sidecars) > 0
            if not self._has_notifications:
                self._check_at = now + _POLL_S
            else:
                self._check_at = now + _PAUSE_S if has_grown else 0.0
        return False

    def close(self) -> None:
        for sidecar in self._sidecars:
            sidecar.note()
            sidecar.close()


class FileGrowthWatcher:
    """A watcher of writes to files; uses inotify on Linux and does nothing on other systems."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._queue = -1 if self._libc is None else int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """Returns a descriptor that becomes readable when a watched file is written to."""
        return self._queue

    def watch(self, fd: int) -> bool:
        """Watches the file behind a descriptor; returns False if it can't be watched."""
        if self._libc is None or self._queue < 0:
            return False
        return bool(self._libc.inotify_add_watch(self._queue, b"/proc/self/fd/%d" % fd, _IN_MODIFY) >= 0)

    def drain(self) -> None:
        """Discards the pending notifications."""
        try:
            while self._queue >= 0 and os.read(self._queue, _READ_BYTES):
                pass
        except BlockingIOError:
            pass  # no more notifications


def get_growth_watcher() -> FileGrowthWatcher:
    """Returns the only instance of this process: a user may have few inotify instances, and closing one is slow."""
    if not _instances:
        _instances.append(FileGrowthWatcher())
    return _instances[0]
