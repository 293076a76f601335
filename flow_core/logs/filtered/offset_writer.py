"""Writes the codes of the lines that were found to a file that another process reads."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence


class OffsetWriter:
    """A file of codes, 8 bytes each in the order of this machine. Counts the lines that were kept."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.count = 0
        self.kept = 0

    def write(self, codes: Sequence[int]) -> None:
        """Adds codes. Raises OSError if the disk is full."""
        view = memoryview(array("Q", codes).tobytes())
        while view:
            view = view[os.write(self._fd, view) :]
        self.count += len(codes)
        self.kept += count_kept(codes)


def count_kept(codes: Sequence[int]) -> int:
    """Returns how many of these codes are of lines that are more than context."""
    return sum(1 for code in codes if not code & 1)
