"""Which file systems lie on this machine alone. Standard library only."""

from __future__ import annotations

import ctypes
import struct
import sys

# ext2 to ext4, XFS, btrfs, tmpfs, ramfs, overlayfs, ZFS, F2FS, bcachefs: the numbers of statfs(2).
_LOCAL = frozenset(
    {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x858458F6, 0x794C7630, 0x2FC12FC1, 0xF2F52010, 0xCA451A4E}
)
_STATFS_BYTES = 4096  # more than any system's structure
_MAC_FLAGS_AT, _MAC_IS_LOCAL = 64, 0x1000


def is_local(fd: int) -> bool:
    """Whether the file behind this descriptor can be reached from no other machine. False where nobody can tell."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(_STATFS_BYTES)
    if sys.platform == "darwin":
        ask = getattr(libc, "fstatfs$INODE64", None) or libc.fstatfs
        is_answered = ask(fd, answer) == 0
        return is_answered and bool(struct.unpack_from("=I", answer, _MAC_FLAGS_AT)[0] & _MAC_IS_LOCAL)
    if libc.fstatfs(fd, answer) != 0:
        return False
    kind: int = struct.unpack_from("@l", answer)[0]
    return kind & 0xFFFFFFFF in _LOCAL
