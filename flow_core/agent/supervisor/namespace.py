"""Mounts volumes at their mount paths, in a mount namespace of the task alone (Linux). Standard library only.

Nothing is created in the machine's own file system. A missing mount point is created in a tmpfs, which covers its
parent folder and has the other entries of that folder bound into it. A folder is covered only if the task can't write
to it (or if it is / or one of the usual mount folders): files of a task must never end up in a tmpfs that vanishes with
the task.
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
_LOCKED_FLAGS = 2 | 4 | 8 | 1024  # nosuid, nodev, noexec, noatime: locked inside a user namespace
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_FOLDERS = frozenset({"/", "/mnt", "/media", "/srv", "/opt"})
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Mount(NamedTuple):
    """A file or folder of this machine (`source`) that appears at `target`."""

    source: str
    target: str
    read_only: bool = False


def can_mount(mounts: Sequence[Mount], staging: Path) -> str:
    """Return why these mounts are impossible here; "" if they are possible. Tries them in a child process."""
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
            file_name = f"{error.filename}: " if error.filename else ""
            os.write(write, f"{file_name}{error.strerror}".encode(errors="replace"))
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
    """Move this process, which must have one thread, to a namespace with the mounts. Raises OSError."""
    _unshare()
    _mount(None, "/", _MS_REC | _MS_SLAVE)
    new_devices: set[int] = set()
    if any(_find_existing(mount.target)[0] == "/" for mount in mounts):
        _replace_root(staging)
        new_devices.add(os.stat("/").st_dev)
    # Opened before any folder is covered, and after the root is replaced: the paths of the old root are unreachable
    # then.
    sources = [os.open(mount.source, os.O_PATH | os.O_CLOEXEC) for mount in mounts]
    for mount, source in zip(mounts, sources):
        folder, missing = _find_existing(mount.target)
        if missing and os.stat(folder).st_dev not in new_devices:
            _cover(folder)
            new_devices.add(os.stat(folder).st_dev)
        _bind(mount, source, missing)


def _unshare() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _raise_on_error(_require_libc().unshare(_CLONE_NEWNS), "unshare")
        return
    _raise_on_error(_require_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _find_existing(target: str) -> tuple[str, bool]:
    """Return the deepest existing folder on the path to `target`, and whether anything is missing below it."""
    folder = target
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.realpath(folder), folder != target


def _replace_root(staging: Path) -> None:
    entries = [(name, os.open(f"/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for name in os.listdir("/")]
    _mount("tmpfs", str(staging), 0, "tmpfs", "mode=0755,size=16m")
    # Not copied when a folder that contains the staging folder is bound below.
    _mount(None, str(staging), _MS_UNBINDABLE)
    for name, fd in entries:
        _bind_entry(fd, f"/{name}", str(staging / name))
    os.chdir(staging)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "the root can't be replaced on this kind of processor")
    _raise_on_error(_require_libc().syscall(number, b".", b"."), "/")
    _raise_on_error(_require_libc().umount2(b".", _MNT_DETACH), "/")
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
        _bind_entry(fd, links.get(name, ""), f"{folder}/{name}")


def _bind_entry(fd: int, link: str, target: str) -> None:
    """Make the entry behind `fd` appear at `target`; create a symbolic link again from `link`."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(link) if os.path.islink(link) else link, target)
    else:
        _make_mount_point(target, stat.S_ISDIR(mode))
        _mount(f"/proc/self/fd/{fd}", target, _MS_BIND | _MS_REC)
    os.close(fd)


def _bind(mount: Mount, source: int, missing: bool) -> None:
    is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
    if missing:
        os.makedirs(os.path.dirname(mount.target), exist_ok=True)
        _make_mount_point(mount.target, is_folder)
    _mount(f"/proc/self/fd/{source}", mount.target, _MS_BIND | (0 if mount.read_only else _MS_REC))
    if mount.read_only:
        locked_flags = os.statvfs(mount.target).f_flag & _LOCKED_FLAGS
        _mount(None, mount.target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | locked_flags)
    os.close(source)


def _make_mount_point(path: str, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _raise_on_error(_require_libc().mount(*arguments, ctypes.c_ulong(flags), data), target)


def _raise_on_error(result: int, path: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def _require_libc() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(errno.ENOSYS, "this system has no mount namespaces")
    return _libc
