"""System calls that Python doesn't have. Linux; standard library only."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

NEW_MOUNTS, NEW_HOSTNAME, NEW_IPC, NEW_USER, NEW_PROCESSES = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = 2 | 4 | 8 | 1024  # nosuid, nodev, noexec, noatime: locked inside a user namespace
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR, _AT_RECURSIVE, _AT_FDCWD = 442, 0x8000, -100
_DETACH = 2
_DEATH_SIGNAL, _DUMPABLE, _SUBREAPER = 1, 4, 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def check_system() -> None:
    """Raises OSError where there are none of these calls, as each of them does."""
    _the_libc()


def unshare(flags: int) -> None:
    _check(_the_libc().unshare(flags), "new namespaces")


def mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    _check(_the_libc().mount(*arguments, ctypes.c_ulong(flags), data), target)


def make_read_only(target: str) -> None:
    """A mount and all below it; only itself where the kernel is older than Linux 5.12."""
    attributes = struct.pack("QQQQ", READ_ONLY, 0, 0, 0)
    done = _the_libc().syscall(
        _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, len(attributes)
    )
    if done != 0:
        kept = os.statvfs(target).f_flag & _KEPT_FLAGS
        mount(None, target, BIND | REMOUNT | READ_ONLY | kept)


def make_root() -> None:
    """The folder this process is in, a mount of its own, becomes all there is."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "the root can't be replaced on this kind of processor")
    _check(_the_libc().syscall(number, b".", b"."), "/")
    _check(_the_libc().umount2(b".", _DETACH), "/")
    os.chdir("/")


def end_with_parent(signal: int) -> None:
    _check(_the_libc().prctl(_DEATH_SIGNAL, signal, 0, 0, 0), "the end with its parent")


def keep_own_files() -> None:
    """Files of this process in /proc stay its own, though it has become another user."""
    _check(_the_libc().prctl(_DUMPABLE, 1, 0, 0, 0), "/proc/self")


def adopt_orphans() -> None:
    """What a descendant leaves behind becomes a child of this process; nothing where the system can't do that."""
    if _libc is not None:
        _libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def system_call(number: int, *arguments: int | bytes) -> int:
    """By its number. Raises OSError."""
    result = int(_the_libc().syscall(number, *arguments))
    if result < 0:
        _check(result, f"system call {number}")
    return result


def _check(result: int, place: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)


def _the_libc() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(errno.ENOSYS, "this system has no namespaces")
    return _libc
