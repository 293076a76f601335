"""Refuses folders in which somebody else could replace a program that we run, or a record. Standard library only.

As sshd does with StrictModes: every folder on the way must belong to us or to root, and nobody else may write to it.
On the way, a sticky folder (/tmp) is safe: others can't replace what is ours there. A group with no other member, as
many systems give to each user, is nobody else.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_INSIDE = ("bin", "gpus", "queue", "ports", "reservations", "ssh", "contexts")
_LINKS_MAX = 40


class UnsafeFolder(OSError):
    """Its `strerror` is a sentence: which folder, why, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPERM, sentence)


def check_folders(root: Path, context: str = "", more: Iterable[Path] = ()) -> None:
    """The way to the machine's folder, and those below it that there are; some thirty calls of lstat.

    `more` are further ones of ours. Raises UnsafeFolder, OSError.
    """
    ours = {str(root.parent), str(root)}
    for path, found in _way_to(str(root)):
        _check(path, found, is_ours=path in ours)
    home = f"{root}/contexts/{context}"
    below = (home, f"{home}/tasks", f"{home}/volumes") if context else ()
    for folder in (*(f"{root}/{name}" for name in _INSIDE), *below, *map(str, more)):
        _check_own(folder)


def _check_own(folder: str) -> None:
    """One of ours, whose parent was checked; through a link, the whole way to where it leads."""
    try:
        found = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    _check(folder, found, is_ours=True)
    if stat.S_ISLNK(found.st_mode):
        real = os.path.realpath(folder)
        for path, step in _way_to(real):
            _check(path, step, is_ours=path == real)


def _check(path: str, found: os.stat_result, *, is_ours: bool) -> None:
    me = os.geteuid()
    if found.st_uid != me and (is_ours or not _is_root(found.st_uid)):
        raise UnsafeFolder(f"{path!r} belongs to {_user(found.st_uid)}, not to you; {_advice(path, '')}")
    if not stat.S_ISDIR(found.st_mode) or (found.st_mode & stat.S_ISVTX and not is_ours):
        return
    by_group = found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid)
    if by_group or found.st_mode & stat.S_IWOTH:
        raise UnsafeFolder(f"others can write to {path!r}; {_advice(path, f'chmod go-w {path}')}")


def _advice(path: str, repair: str) -> str:
    """What others may have put into the programs' folder is not made good by closing it."""
    if "bin" in path.rsplit("/", 2)[-2:]:
        repair = "remove it, since what is run from it may not be ours"
    return f"{repair + ', or ' if repair else ''}choose another state directory with FLOW_STATE_DIR"


def _way_to(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every folder and link on the way, from / on, as far as there is anything."""
    at, left, links = "/", path.split("/")[::-1], 0
    yield at, os.lstat(at)
    while left:
        name = left.pop()
        if name in ("", ".", ".."):
            at = os.path.dirname(at) if name == ".." else at
            continue
        step = f"{'' if at == '/' else at}/{name}"
        try:
            found = os.lstat(step)
        except (FileNotFoundError, NotADirectoryError):
            return
        yield step, found
        if not stat.S_ISLNK(found.st_mode):
            at = step
            continue
        links += 1
        if links > _LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(step)
        at = "/" if target.startswith("/") else at
        left += target.split("/")[::-1]


def _is_root(uid: int) -> bool:
    """Also as a container without root sees it: as the user that stands for all it doesn't know."""
    if uid == 0:
        return True
    try:
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as stream:
            if int(stream.read()) != uid:
                return False
        with open("/proc/self/uid_map", encoding="ascii") as stream:
            return stream.read().split() != ["0", "0", "4294967295"]
    except (OSError, ValueError):
        return False


def _is_private_group(gid: int) -> bool:
    """Whether this is our own group, called as we are, and nobody else is in it."""
    import grp  # deferred: hardly ever asked
    import pwd

    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _user(uid: int) -> str:
    import pwd  # deferred: hardly ever asked

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
