"""Finds files that a test leaves open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.waiting import wait_until

_ENDS_WITHIN_S = 10.0
"""A thread may still read a file for a moment after its test."""


@contextmanager
def every_file_closed() -> Iterator[None]:
    """Fails if more files are open at the end than at the start."""
    before = count_open_files()
    yield
    wait_until(
        lambda: count_open_files() <= before,
        _ENDS_WITHIN_S,
        explain=lambda: f"the test has left {count_open_files() - before} files open",
    )


def count_open_files() -> int:
    """The number of open descriptors of regular files of this process."""
    return sum(_is_file(int(path.name)) for path in Path("/dev/fd").iterdir())


def _is_file(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:  # the descriptor of the folder itself
        return False
