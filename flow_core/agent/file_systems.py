"""The kind of file system that a folder is on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "pvfs2", "orangefs",
    "panfs", "coda", "ncpfs", "wekafs", "vboxsf",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.juicefs", "fuse.rclone", "fuse.s3fs",
    "fuse.gcsfuse",
})  # fmt: skip

_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay", "zfs", "f2fs", "bcachefs"})

_types_by_device: dict[int, str] = {}


def is_on_network(folder: Path) -> bool:
    """Returns whether the folder is on another machine, if this system shows it (Linux does). Raises OSError."""
    return _find_type(folder) in _NETWORK


def is_certainly_local(folder: Path) -> bool:
    """Returns whether the folder is certainly on this machine alone. Raises OSError."""
    return _find_type(folder) in _LOCAL


def _find_type(folder: Path) -> str:
    """Returns the type of the folder's file system; "" if it is unknown."""
    device = os.stat(folder).st_dev
    if device not in _types_by_device:
        try:
            _types_by_device[device] = find_mount_type(os.path.realpath(folder), read_mountinfo())
        except OSError:
            _types_by_device[device] = ""
    return _types_by_device[device]


def find_mount_type(path: str, mountinfo: str) -> str:
    """Returns the type of the file system that the path is on; "" if none is found.

    If two mounts have the same mount point, the later one counts.
    """
    best_point, best_type = "", ""
    for point, type_of_mount in parse_mounts(mountinfo):
        is_above = point == "/" or path == point or path.startswith(f"{point}/")
        if is_above and len(point) >= len(best_point):
            best_point, best_type = point, type_of_mount
    return best_type


def read_mountinfo() -> str:
    """Returns Linux's list of mounts. Raises OSError if there is none."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def parse_mounts(mountinfo: str) -> Iterator[tuple[str, str]]:
    """Yields (mount point, file system type) of each mount in such a list."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) >= 5 and after:
            yield re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]), after.split(" ")[0]
