"""Volumes at the paths asked for, in a mount namespace of the task alone (Linux). Standard library only.

Nothing is made in the machine's own file system. A mount point that doesn't exist is made in a tmpfs that
covers the folder it is missing from, with everything else of that folder bound into it. Only folders that
the task could not have written to are covered (or / and the usual folders for mounts): what a task writes
must never end up in a tmpfs that goes away with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC = 1, 32, 4096, 16384
_MS_UNBINDABLE, _MS_SLAVE, _MNT_DETACH = 1 << 17, 1 << 19, 2
_KEPT_FLAGS = 2 | 4 | 8 | 1024  # nosuid, nodev, noexec, noatime: locked inside a user namespace
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_FOLDERS = frozenset({"/", "/mnt", "/media", "/srv", "/opt"})
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Mount(NamedTuple):
    """`source`, a file or folder of this machine, seen at `target`."""

    source: str
    target: str
    read_only: bool = False


def can_mount(mounts: Sequence[Mount], staging: Path) -> str:
    """Why these mounts can't be made here; "" when they can. Tries it in a process that then ends."""
    if os.environ.get("FLOW_LOCAL_NO_NAMESPACE"):
        return "mount namespaces are switched off by FLOW_LOCAL_NO_NAMESPACE"
    if _libc is None:
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
    _mount(None, "/", _MS_REC | _MS_SLAVE)
    ours: set[int] = set()
    if any(_missing_from(mount.target)[0] == "/" for mount in mounts):
        _replace_root(staging)
        ours.add(os.stat("/").st_dev)
    # Opened before any folder is covered, and after the root is replaced: what the old one held is out of reach.
    sources = [os.open(mount.source, os.O_PATH | os.O_CLOEXEC) for mount in mounts]
    for mount, source in zip(mounts, sources):
        folder, missing = _missing_from(mount.target)
        if missing and os.stat(folder).st_dev not in ours:
            _cover(folder)
            ours.add(os.stat(folder).st_dev)
        _bind(mount, source, missing)


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _check(_the_libc().unshare(_CLONE_NEWNS), "unshare")
        return
    _check(_the_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
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
    _mount("tmpfs", str(staging), 0, "tmpfs", "mode=0755,size=16m")
    # Not to be copied along when a folder that holds the staging folder is bound below.
    _mount(None, str(staging), _MS_UNBINDABLE)
    for name, fd in entries:
        _carry_over(fd, f"/{name}", str(staging / name))
    os.chdir(staging)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "the root can't be replaced on this kind of processor")
    _check(_the_libc().syscall(number, b".", b"."), "/")
    _check(_the_libc().umount2(b".", _MNT_DETACH), "/")
    os.chdir("/")


def _cover(folder: str) -> None:
    if os.access(folder, os.W_OK) and folder not in _MOUNT_FOLDERS:
        raise OSError(errno.ENOENT, "the folder for the mount does not exist, make it first", folder)
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    entries = [
        (name, os.open(f"{folder}/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for name in os.listdir(folder)
    ]
    links = {name: os.readlink(f"{folder}/{name}") for name, _ in entries if os.path.islink(f"{folder}/{name}")}
    _mount("tmpfs", folder, 0, "tmpfs", f"mode={mode:o},size=16m")
    for name, fd in entries:
        _carry_over(fd, links.get(name, ""), f"{folder}/{name}")


def _carry_over(fd: int, link: str, target: str) -> None:
    """The entry behind `fd` appears at `target`; a symbolic link is made anew from `link`."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(link) if os.path.islink(link) else link, target)
    else:
        _make_point(target, stat.S_ISDIR(mode))
        _mount(f"/proc/self/fd/{fd}", target, _MS_BIND | _MS_REC)
    os.close(fd)


def _bind(mount: Mount, source: int, missing: bool) -> None:
    is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
    if missing:
        os.makedirs(os.path.dirname(mount.target), exist_ok=True)
        _make_point(mount.target, is_folder)
    _mount(f"/proc/self/fd/{source}", mount.target, _MS_BIND | (0 if mount.read_only else _MS_REC))
    if mount.read_only:
        kept = os.statvfs(mount.target).f_flag & _KEPT_FLAGS
        _mount(None, mount.target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)
    os.close(source)


def _make_point(path: str, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_the_libc().mount(*arguments, ctypes.c_ulong(flags), data), target)


def _check(result: int, place: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)


def _the_libc() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(errno.ENOSYS, "this system has no mount namespaces")
    return _libc
