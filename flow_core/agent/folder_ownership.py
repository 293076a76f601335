"""Refuses folders in which another user could replace a record, or a program that the agent runs.

The check equals sshd's StrictModes: every folder on the path must belong to the user or to root, and no other user may
write to it. Above flow's own folders a sticky folder (/tmp) is safe: others can't replace the user's files in it. A
group without other members, which many systems create per user, counts as the user.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_SUBFOLDERS = ("bin", "gpus", "queue", "ports", "reservations", "ssh", "contexts")
_LINKS_MAX = 40


class UnsafeFolder(OSError):
    """A folder isn't safe. `strerror` is a sentence that names the folder, the reason and the remedy."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPERM, sentence)


def check_folders(root: Path, context: str = "", more: Iterable[Path] = ()) -> None:
    """Checks the path to the machine's folder and the existing folders below it; about thirty calls of lstat.

    `more` are further folders of flow. Raises UnsafeFolder, OSError.
    """
    own_paths = {str(root.parent), str(root)}
    for path, found in _walk_path(str(root)):
        _check(path, found, is_ours=path in own_paths)
    home = f"{root}/contexts/{context}"
    context_folders = (home, f"{home}/tasks", f"{home}/volumes") if context else ()
    for folder in (*(f"{root}/{name}" for name in _SUBFOLDERS), *context_folders, *map(str, more)):
        _check_own(folder)


def _check_own(folder: str) -> None:
    """Checks a folder of flow whose parent was checked before; for a link, also checks the whole path to its target."""
    try:
        found = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    _check(folder, found, is_ours=True)
    if stat.S_ISLNK(found.st_mode):
        real = os.path.realpath(folder)
        for path, step in _walk_path(real):
            _check(path, step, is_ours=path == real)


def _check(path: str, found: os.stat_result, *, is_ours: bool) -> None:
    me = os.geteuid()
    if found.st_uid != me and (is_ours or not _is_root(found.st_uid)):
        raise UnsafeFolder(
            f"{path!r} belongs to {_describe_user(found.st_uid)}, not to you; {_describe_remedy(path, '')}"
        )
    if not stat.S_ISDIR(found.st_mode) or (found.st_mode & stat.S_ISVTX and not is_ours):
        return
    by_group = found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid)
    if by_group or found.st_mode & stat.S_IWOTH:
        raise UnsafeFolder(f"others can write to {path!r}; {_describe_remedy(path, f'chmod go-w {path}')}")


def _describe_remedy(path: str, repair: str) -> str:
    """Returns the remedy. Closing a program folder isn't enough: others may have replaced programs in it."""
    if "bin" in path.rsplit("/", 2)[-2:]:
        repair = "remove it, since others may have replaced its programs"
    return f"{repair + ', or ' if repair else ''}choose another state directory with FLOW_STATE_DIR"


def _walk_path(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yields every existing folder and link on the path, from / on."""
    folder, remaining, links = "/", path.split("/")[::-1], 0
    yield folder, os.lstat(folder)
    while remaining:
        name = remaining.pop()
        if name in ("", ".", ".."):
            folder = os.path.dirname(folder) if name == ".." else folder
            continue
        step = f"{'' if folder == '/' else folder}/{name}"
        try:
            found = os.lstat(step)
        except (FileNotFoundError, NotADirectoryError):
            return
        yield step, found
        if not stat.S_ISLNK(found.st_mode):
            folder = step
            continue
        links += 1
        if links > _LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(step)
        folder = "/" if target.startswith("/") else folder
        remaining += target.split("/")[::-1]


def _is_root(uid: int) -> bool:
    """Returns whether this is root, or the overflow user that represents root inside a user namespace."""
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
    """Returns whether this is the user's own group: it has the user's name, and no other user is a member."""
    import grp  # lazy import: rarely needed
    import pwd

    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _describe_user(uid: int) -> str:
    import pwd  # lazy import: rarely needed

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
