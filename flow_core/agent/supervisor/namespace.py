"""Volumes at the paths asked for, in a mount namespace of the task alone (Linux). Standard library only.

Nothing is made in the machine's own file system. A mount point that doesn't exist is made in a tmpfs that
covers the folder it is missing from, with everything else of that folder bound into it. Only folders that
the task could not have written to are covered (or / and the usual folders for mounts): what a task writes
must never end up in a tmpfs that goes away with it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.linux_mounts import (
    BIND,
    NEW_MOUNTS,
    NEW_USER,
    RECURSIVE,
    SLAVE,
    UNBINDABLE,
    make_root,
    mount,
    remount_read_only,
    unshare,
)

_MOUNT_FOLDERS = frozenset({"/", "/mnt", "/media", "/srv", "/opt"})


class Mount(NamedTuple):
    """`source`, a file or folder of this machine, seen at `target`."""

    source: str
    target: str
    read_only: bool = False


def can_mount(mounts: Sequence[Mount], staging: Path) -> str:
    """Why these mounts can't be made here; "" when they can. Tries it in a process that then ends."""
    if os.environ.get("FLOW_LOCAL_NO_NAMESPACE"):
        return "mount namespaces are switched off by FLOW_LOCAL_NO_NAMESPACE"
    if sys.platform != "linux":
        return "this system has no mount namespaces"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter_namespace(mounts, staging)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            os.write(write, f"{place}{error.strerror}".encode(errors="replace"))
        else:
            os.write(write, b"ok")
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as stream:
        said = stream.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return "" if said == "ok" else said or "the attempt to mount ended early"


def enter_namespace(mounts: Sequence[Mount], staging: Path) -> None:
    """Moves this process, which must have one thread, to a namespace with the mounts. Raises OSError."""
    _unshare()
    mount(None, "/", RECURSIVE | SLAVE)
    ours: set[int] = set()
    if any(_missing_from(one.target)[0] == "/" for one in mounts):
        _replace_root(staging)
        ours.add(os.stat("/").st_dev)
    # Opened before any folder is covered, and after the root is replaced: what the old one held is out of reach.
    sources = [os.open(one.source, os.O_PATH | os.O_CLOEXEC) for one in mounts]
    for one, source in zip(mounts, sources):
        folder, missing = _missing_from(one.target)
        if missing and os.stat(folder).st_dev not in ours:
            _cover(folder)
            ours.add(os.stat(folder).st_dev)
        _bind(one, source, missing)


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(NEW_MOUNTS)
        return
    unshare(NEW_USER | NEW_MOUNTS)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _missing_from(target: str) -> tuple[str, bool]:
    """The deepest folder on the way to `target` that exists, and whether anything is missing below it."""
    folder = target
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.realpath(folder), folder != target


def _replace_root(staging: Path) -> None:
    entries = [(name, os.open(f"/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for name in os.listdir("/")]
    mount("tmpfs", str(staging), 0, "tmpfs", "mode=0755,size=16m")
    # Not to be copied along when a folder that holds the staging folder is bound below.
    mount(None, str(staging), UNBINDABLE)
    for name, fd in entries:
        _carry_over(fd, f"/{name}", str(staging / name))
    os.chdir(staging)
    make_root()


def _cover(folder: str) -> None:
    if os.access(folder, os.W_OK) and folder not in _MOUNT_FOLDERS:
        raise OSError(errno.ENOENT, "the folder for the mount does not exist, make it first", folder)
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    entries = [
        (name, os.open(f"{folder}/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for name in os.listdir(folder)
    ]
    links = {name: os.readlink(f"{folder}/{name}") for name, _ in entries if os.path.islink(f"{folder}/{name}")}
    mount("tmpfs", folder, 0, "tmpfs", f"mode={mode:o},size=16m")
    for name, fd in entries:
        _carry_over(fd, links.get(name, ""), f"{folder}/{name}")


def _carry_over(fd: int, link: str, target: str) -> None:
    """The entry behind `fd` appears at `target`; a symbolic link is made anew from `link`."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(link) if os.path.islink(link) else link, target)
    else:
        _make_point(target, stat.S_ISDIR(mode))
        mount(f"/proc/self/fd/{fd}", target, BIND | RECURSIVE)
    os.close(fd)


def _bind(wanted: Mount, source: int, missing: bool) -> None:
    is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
    if missing:
        os.makedirs(os.path.dirname(wanted.target), exist_ok=True)
        _make_point(wanted.target, is_folder)
    mount(f"/proc/self/fd/{source}", wanted.target, BIND | (0 if wanted.read_only else RECURSIVE))
    if wanted.read_only:
        remount_read_only(wanted.target)
    os.close(source)


def _make_point(path: str, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
