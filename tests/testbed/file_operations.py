"""Counts the file operations of this process."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AUDITED = frozenset({"open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir", "os.utime"})
_NOT_AUDITED = ("stat", "lstat", "fstat", "pread", "pwrite", "access", "readlink")


class _Counter:
    """An audit hook, which Python can't remove; it counts only while a test wants it."""

    def __init__(self) -> None:
        self.counts: Counter[str] | None = None
        sys.addaudithook(self._audit)

    def _audit(self, event: str, _arguments: tuple[object, ...]) -> None:
        if self.counts is not None and event in _AUDITED:
            self.counts[event] += 1


_counter = _Counter()


@contextmanager
def count_file_operations() -> Iterator[Counter[str]]:
    """Counts them by name, also those that Python doesn't audit, as long as the block lasts."""
    counts: Counter[str] = Counter()
    originals = {name: getattr(os, name) for name in _NOT_AUDITED}
    for name, original in originals.items():
        setattr(os, name, _counting(name, original, counts))
    _counter.counts = counts
    try:
        yield counts
    finally:
        _counter.counts = None
        for name, original in originals.items():
            setattr(os, name, original)


def _counting(name: str, original: Any, counts: Counter[str]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return original(*args, **kwargs)

    return call
