"""The file operations of this process: counted, or watched before each."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Watcher = Callable[[str, tuple[Any, ...]], None]

_AUDITED = frozenset({"open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir", "os.utime"})
_NOT_AUDITED = ("stat", "lstat", "fstat", "pread", "pwrite", "access", "readlink")


class _Hook:
    """An audit hook, which Python can't remove; it acts only while a test watches."""

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watcher is not None and event in _AUDITED:
            self.watcher(event, arguments)


_hook = _Hook()


@contextmanager
def watch_file_operations(watcher: Watcher) -> Iterator[None]:
    """Calls the watcher with the name and the arguments before each operation, as long as the block lasts."""
    originals = {name: getattr(os, name) for name in _NOT_AUDITED}
    for name, original in originals.items():
        setattr(os, name, _watched(name, original, watcher))
    _hook.watcher = watcher
    try:
        yield
    finally:
        _hook.watcher = None
        for name, original in originals.items():
            setattr(os, name, original)


@contextmanager
def count_file_operations() -> Iterator[Counter[str]]:
    """Counts the operations by name."""
    counts: Counter[str] = Counter()
    with watch_file_operations(lambda name, _: counts.update([name])):
        yield counts


def _watched(name: str, original: Any, watcher: Watcher) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        watcher(name, args)
        return original(*args, **kwargs)

    return call
