"""Learning at once that a file has grown. Standard library only; loaded only for tasks that write their own logs."""

from __future__ import annotations

import ctypes
import os
import sys

_IN_MODIFY = 0x2
_READ_BYTES = 1 << 12
_own: list[FileGrowthWatcher] = []


class FileGrowthWatcher:
    """Of the files that are watched, on Linux by inotify."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._queue = -1 if self._libc is None else int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """Can be read whenever a file was written to."""
        return self._queue

    def watch(self, fd: int) -> bool:
        """The file behind a descriptor; false where nobody tells of it."""
        if self._libc is None or self._queue < 0:
            return False
        return bool(self._libc.inotify_add_watch(self._queue, b"/proc/self/fd/%d" % fd, _IN_MODIFY) >= 0)

    def forget(self) -> None:
        """What was told so far."""
        try:
            while self._queue >= 0 and os.read(self._queue, _READ_BYTES):
                pass
        except BlockingIOError:
            pass  # that was all


def shared_growth() -> FileGrowthWatcher:
    """The only one of this process: a user may have few, and to close one takes long."""
    if not _own:
        _own.append(FileGrowthWatcher())
    return _own[0]
