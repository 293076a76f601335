"""Mounts volumes and data at their requested paths, in a mount namespace of the task alone (Linux).

It changes nothing in the machine's own file system. A mount point that doesn't exist is created in a tmpfs that covers
its parent folder; all other entries of that folder are bound into the tmpfs. It covers only folders that the task can't
write to (or / and the usual folders for mounts): no output of a task may get into a tmpfs that vanishes with the task.
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
    """A file or folder of this machine, `source`, that the task sees at `target`."""

    source: str
    target: str
    read_only: bool = False


def can_mount(mounts: Sequence[Mount], staging: Path) -> str:
    """Returns the reason why these mounts are impossible here; "" if they are possible.

    Tries them in a child process.
    """
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
            prefix = f"{error.filename}: " if error.filename else ""
            os.write(write, f"{prefix}{error.strerror}".encode(errors="replace"))
        else:
            os.write(write, b"ok")
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as stream:
        result = stream.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return "" if result == "ok" else result or "the attempt to mount ended early"


def enter_namespace(mounts: Sequence[Mount], staging: Path) -> None:
    """Moves this process, which must have one thread, to a namespace with the mounts. Raises OSError."""
    _unshare()
    mount(None, "/", RECURSIVE | SLAVE)
    tmpfs_devices: set[int] = set()
    if any(_find_existing_parent(entry.target)[0] == "/" for entry in mounts):
        _replace_root(staging)
        tmpfs_devices.add(os.stat("/").st_dev)
    # Open them before any folder is covered, and after the root is replaced: descriptors of the old root can't be
    # mounted.
    sources = [os.open(entry.source, os.O_PATH | os.O_CLOEXEC) for entry in mounts]
    for entry, source in zip(mounts, sources):
        folder, missing = _find_existing_parent(entry.target)
        if missing and os.stat(folder).st_dev not in tmpfs_devices:
            _cover(folder)
            tmpfs_devices.add(os.stat(folder).st_dev)
        _bind(entry, source, missing)


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(NEW_MOUNTS)
        return
    unshare(NEW_USER | NEW_MOUNTS)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _find_existing_parent(target: str) -> tuple[str, bool]:
    """Returns the deepest existing folder on the path to `target`, and whether anything is missing below it."""
    folder = target
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.realpath(folder), folder != target


def _replace_root(staging: Path) -> None:
    entries = [(name, os.open(f"/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for name in os.listdir("/")]
    mount("tmpfs", str(staging), 0, "tmpfs", "mode=0755,size=16m")
    # Unbindable: a bind of a folder that contains the staging folder must not copy it.
    mount(None, str(staging), UNBINDABLE)
    for name, fd in entries:
        _bind_entry(fd, f"/{name}", str(staging / name))
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
        _bind_entry(fd, links.get(name, ""), f"{folder}/{name}")


def _bind_entry(fd: int, link: str, target: str) -> None:
    """Binds the entry of `fd` to `target`; creates a symbolic link again from `link`."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(link) if os.path.islink(link) else link, target)
    else:
        _make_mount_point(target, stat.S_ISDIR(mode))
        mount(f"/proc/self/fd/{fd}", target, BIND | RECURSIVE)
    os.close(fd)


def _bind(entry: Mount, source: int, missing: bool) -> None:
    is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
    if missing:
        os.makedirs(os.path.dirname(entry.target), exist_ok=True)
        _make_mount_point(entry.target, is_folder)
    mount(f"/proc/self/fd/{source}", entry.target, BIND | (0 if entry.read_only else RECURSIVE))
    if entry.read_only:
        remount_read_only(entry.target)
    os.close(source)


def _make_mount_point(path: str, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
