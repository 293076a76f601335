"""Reads a log in blocks: raw lines where each line can be read alone, and the lines of a screen elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from flow_core.agent.regular_files import open_regular_file
from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.quiet_lines import (
    find_quiet_start,
    find_rows_back,
    skip_rows,
    skip_rows_back,
)
from flow_core.logs.search.raw_block import BlockBytes
from flow_core.logs.shown.entry import find_entry
from flow_core.logs.shown.grid import PIECE_COLUMNS
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.stream_bytes import StreamBytes
from flow_core.logs.shown.stretch import Stretch

_BLOCK = 1 << 20
_FIRST_BLOCK = 1 << 16
_LARGEST_BLOCK = 16 << 20
Block = TypeVar("Block")
NewBlock = TypeVar("NewBlock", covariant=True)


class BlockFactory(Protocol[NewBlock]):
    """Makes the blocks of a reader."""

    def make_raw_block(self, offset: int, data: BlockBytes, end: int) -> NewBlock:
        """Makes a block of the whole lines before `end` in bytes at `offset`. The last line may lack its newline."""

    def make_screen_block(self, lines: Sequence[ShownLine]) -> NewBlock:
        """Makes a block of lines that a screen showed."""


class BlockReader(Generic[Block]):
    """The blocks of a log, of both streams or of one. The file may be missing, grow, or be replaced."""

    def __init__(self, files: SpoolFiles, blocks: BlockFactory[Block], stream: int | None) -> None:
        self._path = files.log
        self._blocks = blocks
        self._source = StreamBytes(files, stream)
        self._fd: int | None = None
        self.size = 0

    def refresh(self) -> None:
        """Checks the files again."""
        self._source.refresh()
        try:
            status = os.stat(self._path)
            known = None if self._fd is None else os.fstat(self._fd)
            if known is None or (known.st_dev, known.st_ino) != (status.st_dev, status.st_ino):
                self._close()
                self._fd = open_regular_file(self._path)
        except OSError:
            self._close()
        self.size = 0 if self._fd is None else min(os.fstat(self._fd).st_size, self._source.size)

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self._source.close()
        self._close()

    def find_boundary(self, offset: int, limit: int) -> int:
        """Returns the first offset from `offset` on from which lines need nothing that is before; at most `limit`.

        The lines of a stream alone have no other boundaries than the start and the end.
        """
        if offset <= 0 or self._source.stream is None:
            return find_quiet_start(self._read, max(0, offset), limit)
        return limit

    def is_final_before(self, boundary: int) -> bool:
        """Returns whether no later output can change the lines before a boundary."""
        return self._source.stream is None and skip_rows(self._read, boundary, self.size) < self.size

    def iter_blocks(self, start: int, stop: int) -> Iterator[tuple[int, Block]]:
        """Yields the lines whose offset is in this range, in order, each block after how far the log was read for it.

        `start` is the offset of a line.
        `stop` is a boundary, or the size of the log.
        """
        if self._source.stream is not None:
            yield from self._iter_shown(start, stop, stop)
            return
        position = start
        if (boundary := self.find_boundary(start, self.size)) != start:
            yield from self._iter_shown(start, boundary, stop)
            position = boundary
        length = _FIRST_BLOCK
        while position < stop:
            raw, whole = self._read_lines(position, length)
            data = BlockBytes.of(raw)
            move = data.find_move(whole)
            end, is_enough = self._find_quiet_end(position, raw, whole, move)
            if not is_enough and length < _LARGEST_BLOCK:
                length *= 4
                continue
            if is_long := whole > PIECE_COLUMNS and raw.find(b"\n", 0, PIECE_COLUMNS) < 0:
                end = 0
            if (end := min(end, stop - position)) > 0:
                yield position + end, self._blocks.make_raw_block(position, data, end)
            if is_long:
                boundary = position + (raw.find(b"\n", 0, whole) + 1 or whole)
                yield from self._iter_shown(position, boundary, stop)
                position = boundary
            elif move is not None and position + end < stop:
                boundary = self.find_boundary(position + move + 1, self.size)
                yield from self._iter_shown(position + end, boundary, stop)
                position = boundary
            else:
                position += end
            length = min(4 * length, _BLOCK)

    def _find_quiet_end(self, position: int, raw: bytes, whole: int, move: int | None) -> tuple[int, bool]:
        """Returns the end of the lines that no later move changes, and whether `raw` is enough to tell."""
        if move is None and position + whole >= self.size:
            return whole, True
        end = skip_rows_back(raw, whole if move is None else raw.rfind(b"\n", 0, move) + 1)
        return (end, True) if end or move is not None else (whole, False)

    def _iter_shown(self, start: int, boundary: int, stop: int) -> Iterator[tuple[int, Block]]:
        """Yields the lines of a screen from the line at `start` up to a boundary."""
        # A move may go up to the top of the screen, so begin with a whole screen above the first line.
        entry = find_entry(self._source, find_rows_back(self._read, start))
        stretch, limit = Stretch(self._source, entry), min(boundary, stop)
        is_done = False
        while not is_done:
            if not (is_done := stretch.is_at_end()):
                stretch.advance()
                stretch.forget_before(start)
            last = stretch.count_before(limit)
            if not stretch.is_at_end():
                is_done = stretch.end >= limit and stretch.final_count >= last
                last = min(last, stretch.final_count)
            lines = [stretch.get_line(number) for number in range(stretch.count_before(start), last)]
            start = lines[-1].offset + 1 if lines else start
            yield stretch.end, self._blocks.make_screen_block(lines)

    def _read_lines(self, position: int, length: int) -> tuple[bytes, int]:
        """Reads bytes, and returns the end of the whole lines in them. A line over 16 MiB is read in pieces."""
        raw = self._read(position, length)
        while len(raw) == length:
            if (end := raw.rfind(b"\n") + 1) or length >= _LARGEST_BLOCK:
                return raw, end or length
            length *= 4
            raw = self._read(position, length)
        return raw, len(raw)

    def _read(self, position: int, length: int) -> bytes:
        return b"" if self._fd is None else os.pread(self._fd, min(length, max(0, self.size - position)), position)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
