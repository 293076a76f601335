"""The index of ended tasks of one context: two files that every reader of the tasks extends.

The index is only a cache of the tasks' folders: a missing, damaged or newer one costs time and nothing else. Writers
take turns by a lock. Readers take none. They ignore an incomplete last line, which a writer that was killed leaves
behind and the next writer overwrites.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.ended_lines import (
    HEAD_BYTES,
    LINE_BYTES,
    format_removal,
    get_place,
    is_head,
    is_newer_head,
    make_head,
    move_line,
    split_lines,
)
from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock, release, try_lock
from flow_core.agent.regular_files import open_regular_file

_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_ABSENT, _UNREADABLE = -1, -2  # no file has such a descriptor
_WASTED_LINES_MIN = 100


class NewLines(NamedTuple):
    """The lines that were added since the last read, by task id, and the ids that must not be indexed any more.

    `is_other` is true if another file is read now than before: the lines of the old one mean nothing.
    """

    is_other: bool
    lines: dict[str, str]
    removed: Collection[str]


class EndedIndex:
    """The files, as far as they were read. Blocking; one thread may use it at a time."""

    def __init__(self, layout: Layout) -> None:
        self._index = layout.ended_index
        self._reports = layout.ended_reports
        self._lock = layout.ended_lock
        self._head = b""
        self._end = 0

    @property
    def is_writable(self) -> bool:
        """Whether this version may write the files: the index of a newer version stays as it is."""
        return not is_newer_head(self._head)

    def read_new(self) -> NewLines:
        """Reads the lines that were added since the last read; none while the file can't be read."""
        with _open(self._index) as fd:
            if fd == _UNREADABLE:
                return NewLines(False, {}, ())
            head, size = _read_head(fd), _find_size(fd)
            is_other = self._end > 0 and (head != self._head or size < self._end)
            if is_other or not self._end:
                self._head, self._end = head, HEAD_BYTES if is_head(head) else 0
            if not self._end:
                return NewLines(is_other, {}, ())
            data = _read(fd, self._end, size - self._end)
        self._end += len(data) // LINE_BYTES * LINE_BYTES
        return NewLines(is_other, *split_lines(data))

    def was_replaced(self) -> bool:
        """Returns whether the index is another file than at the last `read_new`."""
        with _open(self._index) as fd:
            is_readable = self._end > 0 and fd != _UNREADABLE
            return is_readable and (_read_head(fd) != self._head or _find_size(fd) < self._end)

    def is_wasteful(self, live_count: int) -> bool:
        """Returns whether most lines describe tasks that are gone."""
        wasted_count = self._end // LINE_BYTES - live_count
        return wasted_count > max(_WASTED_LINES_MIN, live_count)

    def read_reports(self, lines: Sequence[str]) -> list[bytes]:
        """Returns the reports of these lines, b"" if one can't be read; an empty list if the files were replaced."""
        with _open(self._reports) as fd:
            if _read_head(fd) != self._head or not self._end:
                return []
            return [_read(fd, *get_place(line)) for line in lines]

    @contextmanager
    def try_writing(self) -> Iterator[bool]:
        """Holds the lock of the writers; yields False if another process holds it. Raises OSError."""
        lock = try_lock(self._lock)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                release(lock)

    def append(self, new: Iterable[tuple[str, bytes]]) -> None:
        """Adds lines with their reports. Call it under the lock, after `read_new`. Raises OSError.

        `read_new` then returns the lines.
        """
        with _open(self._reports, os.O_RDWR) as fd:
            is_whole = self._end > 0 and _read_head(fd) == self._head
            if is_whole:
                lines = _append_reports(fd, new)
        if not is_whole:
            self.rewrite((), new)
            return
        with _open(self._index, os.O_RDWR) as fd:
            _write(fd, "".join(lines).encode("latin-1"), self._end)

    def rewrite(self, kept: Sequence[str], new: Iterable[tuple[str, bytes]]) -> None:
        """Replaces the files by ones with some of their lines, and new ones. Call it under the lock. Raises OSError."""
        contents = self.read_reports(kept)
        head, pairs = make_head(), [*zip(kept, contents), *new]
        with _create(self._reports) as fd:
            _write(fd, head, 0)
            lines = _append_reports(fd, pairs)
        with _create(self._index) as fd:
            _write(fd, head + "".join(lines).encode("latin-1"), 0)
        os.replace(_temporary(self._reports), self._reports)
        os.replace(_temporary(self._index), self._index)

    def mark_reusable(self, task_id: str) -> None:
        """Adds the line that keeps this id out of the index. Waits for the lock. Raises OSError."""
        with exclusive_lock(self._lock):
            self.read_new()
            if self.is_writable:
                self.append([(format_removal(task_id), b"")])


def mark_reusable(layout: Layout, task_id: str) -> None:
    """Makes every process read the folder of this task each time, whatever the index says. Raises OSError.

    Call it before you remove a task whose id may be used again: the index can't distinguish the new task from the old.
    """
    EndedIndex(layout).mark_reusable(task_id)


def _append_reports(fd: int, new: Iterable[tuple[str, bytes]]) -> list[str]:
    """Appends reports to their file, and returns their lines with their places. Raises OSError."""
    offset = start = os.fstat(fd).st_size
    lines, contents = [], []
    for line, content in new:
        lines.append(move_line(line, offset))
        contents.append(content)
        offset += len(content)
    _write(fd, b"".join(contents), start)
    return lines


@contextmanager
def _open(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Opens a file; yields _ABSENT or _UNREADABLE if that is impossible: the functions below find nothing in these."""
    try:
        fd = open_regular_file(path, flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield _ABSENT
        return
    except OSError:
        yield _UNREADABLE
        return
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _create(path: Path) -> Iterator[int]:
    """Creates the file that will replace this one. Raises OSError."""
    fd = os.open(_temporary(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC | _SAFELY, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _read_head(fd: int) -> bytes:
    return _read(fd, 0, HEAD_BYTES)


def _find_size(fd: int) -> int:
    try:
        return os.fstat(fd).st_size
    except OSError:
        return 0


def _read(fd: int, offset: int, count: int) -> bytes:
    """Returns what can be read."""
    parts: list[bytes] = []
    try:
        while count > 0 and (part := os.pread(fd, count, offset)):
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
    except OSError:
        pass  # what is missing is read from the tasks' folders
    return b"".join(parts)


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view, offset = view[count:], offset + count
