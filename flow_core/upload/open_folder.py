"""Opens the target folder of an upload on this machine, without following links of other users."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# With O_PATH, Linux passes through folders that the user may not list. Other systems need the right to list.
_TRAVERSE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class ForeignLink(Exception):
    """The path leads through a link that another user created in a world-writable folder."""


def open_folder(path: Path) -> int:
    """Returns a descriptor of the folder. Creates it and its parents if missing. Raises ForeignLink, OSError.

    Opens each step relative to the previous descriptor, so that no other process can replace a checked folder.
    """
    top, *names = path.absolute().parts
    at = os.open(top, _TRAVERSE)
    try:
        for name in names:
            inner = _step(at, name)
            os.close(at)
            at = inner
        return os.open(".", FOLDER, dir_fd=at)
    finally:
        os.close(at)


def _step(at: int, name: str) -> int:
    try:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        return os.open(name, _TRAVERSE | os.O_NOFOLLOW, dir_fd=at)
    if _is_shared(folder := os.fstat(at)) and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise ForeignLink
    return os.open(name, _TRAVERSE, dir_fd=at)


def _is_shared(folder: os.stat_result) -> bool:
    """Returns whether the folder is sticky and writable by others. Applies the rule of fs.protected_symlinks."""
    return bool(folder.st_mode & stat.S_ISVTX and folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
