"""Reads a log of any size as a terminal shows it: the lines from an offset on, or before it."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.shown.entry import find_entry
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.stream_bytes import PIECE, StreamBytes
from flow_core.logs.shown.stretch import Stretch

LOOK_AHEAD = 4 * PIECE
"""How far later output is read for redraws of a line; redraws beyond it are found by the index."""
_FARTHEST_BACK = 256 * PIECE
_MAX_STRETCHES = 6


class ShownLog:
    """A log as a terminal shows it, of both streams or of one. The files may be missing, grow, or be replaced.

    Each call reads a bounded part of the log, usually less than 128 KiB, and may run on an event loop.
    """

    def __init__(self, files: SpoolFiles, stream: int | None = None) -> None:
        self.path = files.log
        self.source = StreamBytes(files, stream)
        self._stretches: list[Stretch] = []
        self._generation = 0

    @property
    def size(self) -> int:
        """The size of the file when it was last checked."""
        return self.source.size

    def refresh(self) -> bool:
        """Checks the files again; returns whether they have changed."""
        has_changed = self.source.refresh()
        if self.source.reader.generation != self._generation:
            self._generation = self.source.reader.generation
            self._stretches.clear()
        return has_changed

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self.source.close()
        self._stretches.clear()

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains the byte at `offset`; None at the end of the log."""
        if not 0 <= offset < self.size:
            return None
        lines = self.lines_from(offset, 1)
        return lines[0] if lines else None

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them the line that contains the byte at `offset`."""
        if not 0 <= offset < self.size or count <= 0:
            return []
        stretch = self._find_stretch(offset)
        self._read_until(stretch, offset, count)
        stretch.forget_before(offset)
        first = stretch.find(offset)
        return [stretch.get_line(number) for number in range(first, min(first + count, stretch.count))]

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""
        offset = min(offset, self.size)
        if offset <= 0 or count <= 0:
            return []
        distance = PIECE
        while True:
            start = self.source.skip_back(offset, distance)
            stretch = self._find_stretch(start, offset)
            self._read_until(stretch, offset, 0)
            found = stretch.count_valid_before(offset)
            if found >= count or start == 0 or distance >= _FARTHEST_BACK:
                break
            distance *= 4
        stretch.forget_before(start)
        last = stretch.count_before(offset)
        return [stretch.get_line(number) for number in range(max(last - found, last - count), last)]

    def _find_stretch(self, offset: int, until: int = 0) -> Stretch:
        """Returns a stretch that contains the line at `offset`, and that reaches about as far as `until`."""
        for stretch in self._stretches:
            if stretch.valid_from <= offset and max(offset, until) <= stretch.end + LOOK_AHEAD:
                self._stretches.remove(stretch)
                self._stretches.append(stretch)
                return stretch
        stretch = Stretch(self.source, find_entry(self.source, offset))
        self._stretches.append(stretch)
        if len(self._stretches) > _MAX_STRETCHES:
            self._stretches.pop(0)
        return stretch

    def _read_until(self, stretch: Stretch, offset: int, count: int) -> None:
        """Reads until `count` lines from `offset` on are final, or as far ahead as redraws of them are looked for."""
        limit = None
        while not stretch.is_at_end():
            if stretch.end > offset and stretch.count - stretch.find(offset) > count:
                limit = stretch.end + LOOK_AHEAD if limit is None else limit
                if stretch.end >= limit or stretch.final_count >= stretch.find(offset) + count:
                    break
            stretch.advance()
