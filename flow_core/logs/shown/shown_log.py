"""Reads a log of any size as a terminal shows it: the lines from an offset on, or before it."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.open_colours import ColourIndex
from flow_core.logs.shown.entry import find_entry, find_redraw_entry, find_style
from flow_core.logs.shown.exact_reader import Checkpoints, ExactReader
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.stream_bytes import PIECE, StreamBytes
from flow_core.logs.shown.stretch import Stretch

LOOK_AHEAD = PIECE
"""How far later output is read for redraws of a line; `make_exact` finds redraws beyond it."""
_FARTHEST_BACK = 256 * PIECE
_LEAST_BACK = 4 * 1024
_BYTES_PER_LINE = 256
_MAX_STRETCHES = 6


class ShownLog:
    """A log as a terminal shows it, of both streams or of one. The files may be missing, grow, or be replaced.

    With `expands_redraws`, each redraw is a line of its own, in the order in which they came.
    Each call reads a bounded part of the log, usually less than 128 KiB, and may run on an event loop.
    """

    def __init__(self, files: SpoolFiles, stream: int | None = None, *, expands_redraws: bool = False) -> None:
        self.path = files.log
        self.files = files
        self._find_entry = find_redraw_entry if expands_redraws else find_entry
        self.source = StreamBytes(files, stream)
        self._stretches: list[Stretch] = []
        self._checkpoints = Checkpoints()
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
            self._checkpoints.clear()
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
        distance = min(PIECE, max(_LEAST_BACK, count * _BYTES_PER_LINE))
        while True:
            start = self.source.skip_back(offset, distance)
            stretch = self._find_stretch(start, offset)
            self._read_until(stretch, offset, 0)
            found = stretch.count_valid_before(offset, count)
            if found >= count or start == 0 or distance >= _FARTHEST_BACK or not stretch.is_exact:
                break
            distance *= 4
        stretch.forget_before(start)
        last = stretch.count_before(offset)
        lines = [stretch.get_line(number) for number in range(last - found, last)]
        if lines and lines[0].offset < stretch.start:  # the stretch begins within a long line
            lines[:0] = self.lines_before(lines[0].offset, count - found)
        return lines

    def is_exact(self, offset: int, until: int) -> bool:
        """Returns whether the lines from `offset` to `until` are what a terminal shows, as far as the log goes.

        Otherwise, a redrawn block is longer than what was read of it, and `make_exact` reads all of it.
        """
        stretch = self._find_stretch(offset, until)
        return stretch.is_exact and (stretch.is_at_end() or stretch.is_final_until(until))

    async def make_exact(self, offset: int, until: int) -> None:
        """Makes `is_exact` true for these lines: reads their block of redraws from its beginning, in a thread.

        It reads at most 64 MiB before them.
        """
        import asyncio  # a child process that only reads lines starts in half the time without it

        generation = self._generation
        reader = ExactReader(self.files, self.source.stream, offset, until, self._checkpoints)
        reader.source.colours = self.source.colours
        try:
            while await asyncio.to_thread(reader.step):
                pass
            if reader.stretch is not None and generation == self._generation:
                reader.stretch.is_exact, reader.stretch.source = True, self.source
                self._stretches = [reader.stretch, *self._stretches[-_MAX_STRETCHES + 1 :]]
        finally:
            reader.close()

    def correct_colours(self, colours: ColourIndex) -> bool:
        """Uses this index of the colours from now on. Returns whether lines that were read before may change by it."""
        self.source.colours = colours
        before = len(self._stretches)
        self._stretches = [stretch for stretch in self._stretches if self._has_right_colours(stretch)]
        if len(self._stretches) < before:
            self._checkpoints.clear()
        return len(self._stretches) < before

    def _has_right_colours(self, stretch: Stretch) -> bool:
        if stretch.is_style_known:
            return True
        style, stretch.is_style_known = find_style(self.source, stretch.begin)
        return not stretch.is_style_known or style == stretch.first_style

    def _find_stretch(self, offset: int, until: int = 0) -> Stretch:
        """Returns a stretch that contains the line at `offset`, and that reaches about as far as `until`."""
        for stretch in sorted(self._stretches, key=lambda stretch: (not stretch.is_exact, -stretch.end)):
            if stretch.valid_from <= offset and max(offset, until) <= stretch.reach:
                self._stretches.remove(stretch)
                self._stretches.append(stretch)
                return stretch
        entry = self._find_entry(self.source, offset)
        if not entry.is_exact and (checkpoint := self._checkpoints.find(offset)) and checkpoint.start > entry.start:
            entry = checkpoint
        stretch = Stretch(self.source, entry)
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
                if stretch.end >= limit or stretch.is_final_until(stretch.get_offset(stretch.find(offset) + count)):
                    break
            stretch.advance()
