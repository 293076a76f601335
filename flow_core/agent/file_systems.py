"""On what kind of file system a folder lies. Standard library only."""

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

_known: dict[int, str] = {}


def is_on_network(folder: Path) -> bool:
    """Whether it lies on another machine, as far as this system tells (Linux does). Raises OSError."""
    return _kind_of(folder) in _NETWORK


def is_certainly_local(folder: Path) -> bool:
    """Whether it lies on this machine alone. False where nobody can tell. Raises OSError."""
    return _kind_of(folder) in _LOCAL


def _kind_of(folder: Path) -> str:
    """The type of its file system; "" where that can't be told."""
    device = os.stat(folder).st_dev
    if device not in _known:
        try:
            _known[device] = find_mount_type(os.path.realpath(folder), read_mountinfo())
        except OSError:
            _known[device] = ""
    return _known[device]


def find_mount_type(path: str, mountinfo: str) -> str:
    """The type of the file system that the path lies on, of two at one place the later one; "" where none is found."""
    best, kind = "", ""
    for point, type_of_mount in parse_mounts(mountinfo):
        is_above = point == "/" or path == point or path.startswith(f"{point}/")
        if is_above and len(point) >= len(best):
            best, kind = point, type_of_mount
    return kind


def read_mountinfo() -> str:
    """Linux's list of what is mounted where. Raises OSError where there is none."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def parse_mounts(mountinfo: str) -> Iterator[tuple[str, str]]:
    """(place, type of the file system) of each mount in such a list."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) >= 5 and after:
            yield re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]), after.split(" ")[0]
