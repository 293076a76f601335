"""Notifications of file growth. Standard library only; loaded only for tasks that write their own logs."""

from __future__ import annotations

import ctypes
import os
import sys

_IN_MODIFY = 0x2
_READ_BYTES = 1 << 12
_instances: list[FileGrowthWatcher] = []


class FileGrowthWatcher:
    """Watches files for writes; uses inotify on Linux and does nothing elsewhere."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._queue = -1 if self._libc is None else int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when a watched file is written to."""
        return self._queue

    def watch(self, fd: int) -> bool:
        """Watch the file behind a descriptor; False if it can't be watched."""
        if self._libc is None or self._queue < 0:
            return False
        return bool(self._libc.inotify_add_watch(self._queue, b"/proc/self/fd/%d" % fd, _IN_MODIFY) >= 0)

    def drain(self) -> None:
        """Discard the pending notifications."""
        try:
            while self._queue >= 0 and os.read(self._queue, _READ_BYTES):
                pass
        except BlockingIOError:
            pass  # no more notifications


def get_growth_watcher() -> FileGrowthWatcher:
    """Return the only instance of this process: a user may have few inotify instances, and closing one is slow."""
    if not _instances:
        _instances.append(FileGrowthWatcher())
    return _instances[0]
