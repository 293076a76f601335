"""Waiting for a file to change: through inotify where there is one, else by looking again soon."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from functools import cache
from pathlib import Path

POLL_S = 0.02
_UNSEEN_S = 0.25  # a network file system tells nothing of what other machines write
_MODIFY, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x80, 0x100, 0x200


class FileWatcher:
    """Waits for changes of a file, which may not exist yet. Whoever made it must close it."""

    def __init__(self, path: Path) -> None:
        self._fd = _inotify_on(path.parent)

    def close(self) -> None:
        """Lets go of the watch. Twice is safe."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    async def changed(self) -> None:
        """Returns when something may have changed, at the latest after a quarter of a second."""
        if self._fd is None:
            await asyncio.sleep(POLL_S)
            return
        loop, seen = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._fd, seen.set)
        try:
            async with asyncio.timeout(_UNSEEN_S):
                await seen.wait()
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


def _inotify_on(directory: Path) -> int | None:
    """A descriptor that becomes readable when something in the directory changes; `None` where that can't be had."""
    if (libc := _libc()) is None:
        return None
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return None
    if libc.inotify_add_watch(fd, os.fsencode(directory), _MODIFY | _MOVED_TO | _CREATE | _DELETE) < 0:
        os.close(fd)
        return None
    return fd
