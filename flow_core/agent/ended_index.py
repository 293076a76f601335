"""The index of ended tasks of one context: a file that every reader of the tasks extends.

It is only a cache of the tasks' folders, so a missing, damaged or newer one costs time and nothing else. Writers take
turns by a lock. Readers take none: they ignore an incomplete last line, which a writer that was killed leaves behind
and the next writer cuts off.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flow_core.agent.ended_lines import (
    HEAD_BYTES,
    EndedEntry,
    format_removal,
    is_head,
    is_newer_head,
    make_head,
    parse_entry,
)
from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock, release, try_lock
from flow_core.agent.regular_files import open_regular_file

_CHUNK_BYTES = 1 << 20
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_SMALLEST_REWRITE_BYTES = 64 << 10


class NewLines(NamedTuple):
    """The lines that were added since the last read, in order.

    `is_other` is true if another file is read now than before: the lines of the old one mean nothing.
    """

    is_other: bool
    entries: list[tuple[str, EndedEntry]]


class EndedIndex:
    """The file, as far as it was read. Blocking; its user takes care that one thread uses it at a time."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.ended_index
        self._lock = layout.ended_index_lock
        self._head = b""
        self._end = 0

    def read_new(self) -> NewLines:
        """Reads the lines that other processes or `append` have added. A file that can't be read has no lines."""
        try:
            fd = open_regular_file(self._path)
        except OSError:
            return self._restart(b"")
        try:
            return self._read_new(fd)
        except OSError:
            return self._restart(b"")
        finally:
            os.close(fd)

    def read_lines(self, entries: Iterable[EndedEntry]) -> list[bytes]:
        """Returns the bytes of these lines; an empty list if the file was replaced since the last `read_new`."""
        try:
            fd = open_regular_file(self._path)
        except OSError:
            return []
        try:
            is_same = os.pread(fd, HEAD_BYTES, 0) == self._head
            return [os.pread(fd, entry.size, entry.offset) for entry in entries] if is_same else []
        except OSError:
            return []
        finally:
            os.close(fd)

    def was_replaced(self) -> bool:
        """Returns whether the file is another one than that of the last `read_new`, or has lost lines of it."""
        if not self._end:
            return False
        try:
            fd = open_regular_file(self._path)
        except OSError:
            return True
        try:
            return os.pread(fd, HEAD_BYTES, 0) != self._head or os.fstat(fd).st_size < self._end
        except OSError:
            return True
        finally:
            os.close(fd)

    @property
    def is_writable(self) -> bool:
        """Whether this version may write the file: the index of a newer version stays as it is."""
        return not is_newer_head(self._head)

    @contextmanager
    def try_writing(self) -> Iterator[bool]:
        """Holds the lock of the writers; yields False if another process holds it. Raises OSError."""
        lock = try_lock(self._lock)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                release(lock)

    def append(self, lines: Iterable[bytes]) -> None:
        """Appends lines after the last one that was read, and cuts off what follows that. Raises OSError.

        Call it under the lock, after `read_new`; `read_new` then returns the lines.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | _SAFELY, 0o600)
        try:
            os.ftruncate(fd, self._end)
            data = b"".join(lines)
            _write(fd, data if self._end else make_head() + data, self._end)
        finally:
            os.close(fd)

    def mark_reusable(self, task_id: str) -> None:
        with exclusive_lock(self._lock):
            self.read_new()
            if self.is_writable:
                self.append([format_removal(task_id)])

    def is_wasteful(self, live_bytes: int) -> bool:
        """Returns whether most of the file describes tasks that are gone."""
        return self._end > max(_SMALLEST_REWRITE_BYTES, 2 * live_bytes)

    def rewrite(self, entries: Collection[EndedEntry], more: Iterable[bytes]) -> None:
        """Replaces the file by one with these lines of it, and more lines. Call it under the lock. Raises OSError."""
        ordered = sorted(entries, key=lambda entry: entry.offset)
        kept = self.read_lines(ordered)
        temporary = self._path.with_name(f"{self._path.name}.new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFELY, 0o600)
        try:
            _write(fd, b"".join((make_head(), *kept, *more)), 0)
        finally:
            os.close(fd)
        os.replace(temporary, self._path)

    def _read_new(self, fd: int) -> NewLines:
        head, size, is_other = os.pread(fd, HEAD_BYTES, 0), os.fstat(fd).st_size, False
        if head != self._head or size < self._end:
            is_other = self._restart(head).is_other
        if not is_head(head):
            return NewLines(is_other, [])
        self._end = self._end or HEAD_BYTES
        return NewLines(is_other, self._parse(fd, size))

    def _restart(self, head: bytes) -> NewLines:
        is_other = bool(self._end)
        self._head, self._end = head, 0
        return NewLines(is_other, [])

    def _parse(self, fd: int, size: int) -> list[tuple[str, EndedEntry]]:
        """Parses up to the first line that is incomplete or damaged, which ends the index."""
        found: list[tuple[str, EndedEntry]] = []
        count = _CHUNK_BYTES
        while self._end < size:
            data = os.pread(fd, count, self._end)
            start = 0
            try:
                while (parsed := parse_entry(data, start, self._end + start)) is not None:
                    found.append(parsed)
                    start += parsed[1].size
            except ValueError:
                self._end += start
                return found
            self._end += start
            if not start and len(data) < count:
                return found
            count = _CHUNK_BYTES if start else count * 2
        return found


def mark_reusable(layout: Layout, task_id: str) -> None:
    """Makes all readers read the folder of this task each time, whatever the index says. Raises OSError.

    Call it before you remove a task whose id may be used again: the index can't distinguish the new task from the old.
    """
    EndedIndex(layout).mark_reusable(task_id)


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view, offset = view[count:], offset + count
