"""Refuses tests that leave files open: every reader of a log is closed by its owner."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.waiting import wait_until

_ENDS_WITHIN_S = 10.0
"""A thread may still read a file for a moment after its test."""


@pytest.fixture(autouse=True)
def no_open_files() -> Iterator[None]:
    """Fails if more files are open after the test than before it."""
    before = _list_open_files()
    yield
    wait_until(
        lambda: len(_list_open_files()) <= len(before),
        _ENDS_WITHIN_S,
        explain=lambda: f"left open: {sorted(_list_open_files() - before)}",
    )


def _list_open_files() -> set[int]:
    """Returns the descriptors of regular files that this process has open."""
    return {number for path in Path("/dev/fd").iterdir() if _is_file(number := int(path.name))}


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # that of the listing
        return False
