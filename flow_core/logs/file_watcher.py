"""Waits for a file to change: by inotify if it exists, otherwise by polling."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path

POLL_S = 0.02
_MAX_WAIT_S = 0.25  # inotify does not report writes of other machines on a network file system
_MODIFY, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x80, 0x100, 0x200


class FileWatcher:
    """A watch on files, which need not exist yet. The owner must close it."""

    def __init__(self, path: Path, *others: Path) -> None:
        self._fd = _open_inotify({one.parent for one in (path, *others)})

    def close(self) -> None:
        """Releases the watch. Calling it again is safe."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    async def wait_for_change(self) -> None:
        """Returns when a file may have changed, after at most 0.25 s."""
        if self._fd is None:
            await asyncio.sleep(POLL_S)
            return
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._fd, readable.set)
        try:
            async with asyncio.timeout(_MAX_WAIT_S):
                await readable.wait()
        except TimeoutError:
            return
        finally:
            loop.remove_reader(self._fd)
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 65536)


@cache
def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "inotify_init1") else None


def _open_inotify(directories: Collection[Path]) -> int | None:
    """Returns a descriptor that becomes readable when a directory changes; None if inotify is not available."""
    if (libc := _libc()) is None:
        return None
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return None
    for directory in directories:
        if libc.inotify_add_watch(fd, os.fsencode(directory), _MODIFY | _MOVED_TO | _CREATE | _DELETE) < 0:
            os.close(fd)
            return None
    return fd
