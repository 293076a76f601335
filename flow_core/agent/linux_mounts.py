"""System calls of Linux for namespaces and mounts, which Python doesn't have.

Every function raises OSError, also on other systems.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
BIND, RECURSIVE = 4096, 16384
UNBINDABLE, SLAVE = 1 << 17, 1 << 19
_READ_ONLY, _REMOUNT = 1, 32
_LOCKED_FLAGS = 2 | 4 | 8 | 1024  # nosuid, nodev, noexec, noatime: a remount inside a user namespace must repeat them
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def unshare(flags: int) -> None:
    check(get_libc().unshare(flags), "new namespaces")


def mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str | None = None) -> None:
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else options.encode()
    check(get_libc().mount(*arguments, ctypes.c_ulong(flags), data), target)


def remount_read_only(target: str) -> None:
    """Makes one mount read-only, without the mounts below it."""
    mount(None, target, BIND | _REMOUNT | _READ_ONLY | os.statvfs(target).f_flag & _LOCKED_FLAGS)


def make_root() -> None:
    """Makes the current folder, which must be a mount, the root. Detaches the old root."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "the root can't be replaced on this kind of processor")
    check(get_libc().syscall(number, b".", b"."), "/")
    check(get_libc().umount2(b".", _DETACH), "/")
    os.chdir("/")


def get_libc() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(errno.ENOSYS, "this system has no namespaces")
    return _libc


def check(result: int, path: str) -> None:
    """Raises the error of the last call if `result` reports one."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
