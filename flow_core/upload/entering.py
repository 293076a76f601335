"""Entering the target folder of an upload on this machine."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Linux enters folders that may not be listed; elsewhere only those that may are entered.
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class ForeignLink(Exception):
    """A link that another user made in a folder where everybody may make some."""


def enter(path: Path) -> int:
    """A descriptor of a folder; made, with its parents, where it is missing. Raises ForeignLink, OSError.

    Each step goes by descriptor, so that what was checked is what is entered.
    """
    top, *names = path.absolute().parts
    at = os.open(top, _THROUGH)
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
        return os.open(name, _THROUGH | os.O_NOFOLLOW, dir_fd=at)
    if _is_shared(folder := os.fstat(at)) and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise ForeignLink
    return os.open(name, _THROUGH, dir_fd=at)


def _is_shared(folder: os.stat_result) -> bool:
    """Sticky, and open to others: only who made a link there can replace it. The rule of fs.protected_symlinks."""
    return bool(folder.st_mode & stat.S_ISVTX and folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
