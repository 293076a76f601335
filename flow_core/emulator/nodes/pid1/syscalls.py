"""System calls that Python doesn't have. Linux only."""

from __future__ import annotations

import os
import struct
import sys

from flow_core.agent.linux_mounts import check, get_libc, remount_read_only
from flow_core.agent.linux_mounts import make_root as make_root
from flow_core.agent.linux_mounts import mount as mount
from flow_core.agent.linux_mounts import unshare as unshare

NEW_MOUNTS, NEW_HOSTNAME, NEW_IPC, NEW_USER, NEW_PROCESSES = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE, _AT_FDCWD = 442, 0x8000, -100
_DEATH_SIGNAL, _DUMPABLE, _SUBREAPER = 1, 4, 36


def check_system() -> None:
    """Raises OSError if the system lacks these calls, as each of them does."""
    get_libc()


def make_read_only(target: str) -> None:
    """Makes a mount and all mounts below it read-only. Before Linux 5.12, only the mount itself."""
    path, attributes = os.fsencode(target), struct.pack("QQQQ", READ_ONLY, 0, 0, 0)
    done = get_libc().syscall(_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, attributes, len(attributes))
    if done != 0:
        remount_read_only(target)


def end_with_parent(signal: int) -> None:
    check(get_libc().prctl(_DEATH_SIGNAL, signal, 0, 0, 0), "the end with its parent")


def keep_own_files() -> None:
    """Keeps this process the owner of its files in /proc after a change of the user."""
    check(get_libc().prctl(_DUMPABLE, 1, 0, 0, 0), "/proc/self")


def adopt_orphans() -> None:
    """Makes orphans of descendants children of this process; does nothing on a system that can't do that."""
    if sys.platform == "linux":
        get_libc().prctl(_SUBREAPER, 1, 0, 0, 0)


def system_call(number: int, *arguments: int | bytes) -> int:
    """Makes a system call by its number. Raises OSError."""
    result = int(get_libc().syscall(number, *arguments))
    if result < 0:
        check(result, f"system call {number}")
    return result
