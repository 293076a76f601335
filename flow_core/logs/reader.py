"""Reads a log by position: the line at an offset and the line before it. Needs no index.

Each call makes a few `pread`s of a local file and may run on an event loop. A line longer than `PIECE_LIMIT` bytes is
returned in pieces, so that each call reads a bounded number of bytes.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from flow_core.agent.regular_files import open_regular_file

LINE_LIMIT = 64 * 1024
PIECE_LIMIT = 16 * 1024 * 1024
_BLOCK = 64 * 1024
_MAX_CACHED_BLOCKS = 64
_TAIL = 4096
_FINGERPRINT = 64


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line without its newline. `length` counts all its bytes; `data` holds at most the limit.

    For a longer line, `data` is its beginning, or its last redraw if carriage returns redraw it; `data_offset` is the
    position of `data`. `ended` is false while no newline follows.
    """

    offset: int
    data: bytes
    length: int
    ended: bool
    data_offset: int

    @property
    def end(self) -> int:
        """The offset of the next line."""
        return self.offset + self.length + self.ended

    @property
    def is_cut(self) -> bool:
        return len(self.data) < self.length


class LineReader:
    """A reader of lines of a file that another process may write. The file may be missing, grow, or be replaced."""

    def __init__(self, path: Path, line_limit: int = LINE_LIMIT) -> None:
        self._path = path
        self._limit = line_limit
        self._fd: int | None = None
        self._identity = (0, 0)
        self._fingerprint = b""
        """The last bytes before `size`. They differ if the file was emptied and has grown beyond its old size again."""
        self._modified_ns = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.size = 0
        self.generation = 0
        """Grows when another file is read from its start: the log was replaced or cut short."""

    def refresh(self) -> bool:
        """Checks the file again; returns whether its size or identity has changed."""
        try:
            status = os.stat(self._path)
        except OSError:
            return self._reset() if self._fd is not None else False
        replaced = self._is_replaced(status)
        if replaced and not self._reopen():
            return False
        changed = replaced or status.st_size != self.size
        if changed:
            self._blocks.pop(self.size // _BLOCK, None)
            self._fingerprint = self._read_before(status.st_size)
        self.size, self._modified_ns = status.st_size, status.st_mtime_ns
        return changed

    def close(self) -> None:
        """Releases the file. Calling it again is safe."""
        self._reset()

    def line_at(self, offset: int) -> LogLine | None:
        """Returns the line that starts at `offset`; None at the end of the file."""
        if not 0 <= offset < self.size:
            return None
        stop = min(self.size, offset + PIECE_LIMIT)
        newline = self._find(offset, stop)
        end = stop if newline is None else newline
        return self._line(offset, end, newline is not None)

    def line_before(self, offset: int) -> LogLine | None:
        """Returns the line that ends at `offset`, which is the start of a line or the end of the file."""
        offset = min(offset, self.size)
        if offset <= 0:
            return None
        ended = self.read(offset - 1, 1) == b"\n"
        end = offset - ended
        start = self._start_of(end)
        return self._line(start, end, ended)

    def line_start(self, offset: int) -> int:
        """Returns the start of the line that contains the byte at `offset`."""
        return self._start_of(max(0, min(offset, self.size)))

    def read(self, offset: int, length: int) -> bytes:
        """Returns at most `length` bytes from `offset` on."""
        pieces = []
        stop = min(self.size, offset + length)
        while offset < stop:
            block, start = self._block(offset // _BLOCK), offset % _BLOCK
            piece = block[start : start + stop - offset]
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _line(self, start: int, end: int, ended: bool) -> LogLine:
        length = end - start
        if length <= self._limit:
            return LogLine(start, self.read(start, length), length, ended, start)
        tail = self.read(end - _TAIL, _TAIL)
        last_redraw = tail.rstrip(b"\r").rfind(b"\r")
        if last_redraw < 0:
            return LogLine(start, self.read(start, self._limit), length, ended, start)
        return LogLine(start, tail[last_redraw + 1 :], length, ended, end - _TAIL + last_redraw + 1)

    def _find(self, start: int, stop: int) -> int | None:
        """Returns the offset of the first newline in a range of bytes."""
        while start < stop:
            number, within = divmod(start, _BLOCK)
            base = number * _BLOCK
            found = self._block(number).find(b"\n", within, stop - base)
            if found >= 0:
                return base + found
            start = base + _BLOCK
        return None

    def _start_of(self, end: int) -> int:
        floor = max(0, end - PIECE_LIMIT)
        while end > floor:
            number = (end - 1) // _BLOCK
            base = number * _BLOCK
            found = self._block(number).rfind(b"\n", max(0, floor - base), end - base)
            if found >= 0:
                return base + found + 1
            end = base
        return floor

    def _block(self, number: int) -> bytes:
        """Returns one block, from the cache if possible.

        Appended bytes never change; `refresh` drops the last block.
        """
        if (cached := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return cached
        if self._fd is None:
            return b""
        block = self._blocks[number] = os.pread(self._fd, _BLOCK, number * _BLOCK)
        if len(self._blocks) > _MAX_CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def _is_replaced(self, status: os.stat_result) -> bool:
        """Returns whether the file is not the one that was read so far, with more bytes at its end."""
        if self._fd is None or (status.st_dev, status.st_ino) != self._identity or status.st_size < self.size:
            return True
        is_modified = status.st_size != self.size or status.st_mtime_ns != self._modified_ns
        return is_modified and self._read_before(self.size) != self._fingerprint

    def _read_before(self, offset: int) -> bytes:
        start = max(0, offset - _FINGERPRINT)
        return b"" if self._fd is None else os.pread(self._fd, offset - start, start)

    def _reopen(self) -> bool:
        self._reset()
        try:
            self._fd = open_regular_file(self._path)
        except OSError:
            return False
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        self.generation += 1
        return True

    def _reset(self) -> bool:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._fingerprint = b""
        self._blocks.clear()
        had_content = self.size > 0
        self.size = 0
        return had_content
