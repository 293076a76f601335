"""Which lines of a log are in view: a place in the file, and the lines around it. Draws nothing.

The place is an offset in the file, not a line number, so a log of any size opens at its end at once,
and wrapping, hiding a stream or a growing file change nothing about where one is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.reader import LineReader, LogLine
from flow_core.logs.sidecar import SidecarIndex

VIEW_LINE_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A row in a log: the line that starts at `offset`, and which of its rows."""

    offset: int
    row: int = 0


RowCount = Callable[[LogLine], int]


class LogWindow:
    """A window of some rows over a log. `rows_in` says how many rows a line takes."""

    def __init__(self, files: SpoolFiles, rows_in: RowCount) -> None:
        self.path = files.log
        self.reader = LineReader(files.log, VIEW_LINE_LIMIT)
        self.stamps = SidecarIndex(files.sidecar)
        self.stream: int | None = None
        self.top = Place(0)
        self._rows_in = rows_in

    def refresh(self) -> bool:
        """Looks at the files again; true when there is anything new."""
        grew = self.reader.refresh()
        return self.stamps.refresh() or grew

    def close(self) -> None:
        self.reader.close()
        self.stamps.close()

    def to_end(self, height: int) -> None:
        """Moves so that the last row of the log is the last in the window."""
        self.top = self._rows_above(Place(self.reader.size), height)

    def to_start(self) -> None:
        line = self._line_from(0)
        self.top = Place(line.offset if line else 0)

    def to_offset(self, offset: int, rows_above: int) -> None:
        """Moves so that the line that holds the byte at `offset` is in view, some rows from the top."""
        self.top = self._rows_above(Place(self.reader.line_start(offset)), rows_above)

    def scroll(self, rows: int, height: int) -> bool:
        """Moves by so many rows, up where negative; true when that brought the end into view."""
        self.top = self._rows_above(self.top, -rows) if rows < 0 else self._rows_below(self.top, rows)
        return self.settle(height)

    def settle(self, height: int) -> bool:
        """Moves back if the window reaches past the end; true when the last row is in view.

        A window without rows stays where it is.
        """
        if height <= 0:
            return False
        room = height
        for line, skipped in self.lines(height):
            room -= self._rows_in(line) - skipped
        if room > 0:
            self.to_end(height)
        elif room == 0:
            last = self.lines(height)[-1][0]
            return self._line_from(last.end) is None
        return room > 0

    def lines(self, height: int) -> list[tuple[LogLine, int]]:
        """The lines in view, each with how many of its rows are above the window."""
        found: list[tuple[LogLine, int]] = []
        line, skipped, rows = self._line_from(self.top.offset), self.top.row, 0
        if line is not None and line.offset != self.top.offset:
            skipped = 0
        while line is not None and rows < height:
            skipped = min(skipped, max(0, self._rows_in(line) - 1))
            found.append((line, skipped))
            rows += self._rows_in(line) - skipped
            line, skipped = self._line_from(line.end), 0
        return found

    def _rows_above(self, place: Place, rows: int) -> Place:
        """The place so many rows further up, or the first."""
        if place.row >= rows:
            return Place(place.offset, place.row - rows)
        left, offset = rows - place.row, place.offset
        while left > 0 and (line := self._line_until(offset)) is not None:
            count = self._rows_in(line)
            if count >= left:
                return Place(line.offset, count - left)
            left, offset = left - count, line.offset
        return Place(offset)

    def _rows_below(self, place: Place, rows: int) -> Place:
        line, skipped = self._line_from(place.offset), place.row
        while line is not None and rows >= self._rows_in(line) - skipped:
            rows -= self._rows_in(line) - skipped
            following = self._line_from(line.end)
            if following is None:
                return Place(line.offset, max(0, self._rows_in(line) - 1))
            line, skipped = following, 0
        return place if line is None else Place(line.offset, skipped + rows)

    def _line_from(self, offset: int) -> LogLine | None:
        """The first line from `offset` on that has bytes of the stream shown."""
        if self.stream is not None:
            found = self.stamps.next_of(self.stream, offset)
            if found is None or found >= self.reader.size:
                return None
            offset = max(offset, self.reader.line_start(found))
        return self.reader.line_at(offset)

    def _line_until(self, offset: int) -> LogLine | None:
        """The last line before `offset` that has bytes of the stream shown."""
        if self.stream is None:
            return self.reader.line_before(offset)
        end = self.stamps.previous_of(self.stream, min(offset, self.reader.size))
        if end is None or end <= 0:
            return None
        start = self.reader.line_start(end - 1)
        return self.reader.line_at(start)
