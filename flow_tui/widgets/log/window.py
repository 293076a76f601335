"""The part of a log that is in view: a position in the file, and the lines from there on. Draws nothing.

The position is an offset in the file and not a line number. Therefore a log of any size opens at its end immediately,
and the position stays valid when lines wrap, a stream is hidden or the file grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.reader import LineReader, LogLine
from flow_core.logs.sidecar import SidecarIndex

VIEW_LINE_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A row of a log: the line that starts at `offset`, and the number of the row in that line."""

    offset: int
    row: int = 0


RowCount = Callable[[LogLine], int]


class LogWindow:
    """A window of some rows of a log. `rows_in` counts the rows of a line."""

    def __init__(self, files: SpoolFiles, rows_in: RowCount) -> None:
        self.path = files.log
        self.reader = LineReader(files.log, VIEW_LINE_LIMIT)
        self.stamps = SidecarIndex(files.sidecar)
        self.stream: int | None = None
        self.top = LogPosition(0)
        self._count_rows = rows_in

    def refresh(self) -> bool:
        """Reads the files again. Returns whether they have changed."""
        grew = self.reader.refresh()
        return self.stamps.refresh() or grew

    def close(self) -> None:
        self.reader.close()
        self.stamps.close()

    def move_to_end(self, height: int) -> None:
        """Moves the window so that the last row of the log is the last row in view."""
        self.top = self._move_up(LogPosition(self.reader.size), height)

    def move_to_start(self) -> None:
        line = self._find_line_from(0)
        self.top = LogPosition(line.offset if line else 0)

    def move_to_offset(self, offset: int, rows_above: int) -> None:
        """Moves the window so that the line with the byte at `offset` is `rows_above` rows below its top."""
        self.top = self._move_up(LogPosition(self.reader.line_start(offset)), rows_above)

    def scroll(self, rows: int, height: int) -> bool:
        """Moves the window by `rows` rows, up if negative. Returns whether the end is in view then."""
        self.top = self._move_up(self.top, -rows) if rows < 0 else self._move_down(self.top, rows)
        return self.stay_within_log(height)

    def stay_within_log(self, height: int) -> bool:
        """Moves the window back if it reaches past the end. Returns whether the last row is in view.

        A window without rows doesn't move.
        """
        if height <= 0:
            return False
        free_rows = height
        for line, skipped in self.get_lines(height):
            free_rows -= self._count_rows(line) - skipped
        if free_rows > 0:
            self.move_to_end(height)
        elif free_rows == 0:
            last = self.get_lines(height)[-1][0]
            return self._find_line_from(last.end) is None
        return free_rows > 0

    def get_lines(self, height: int) -> list[tuple[LogLine, int]]:
        """Returns the lines in view, each with the number of its rows above the window."""
        found: list[tuple[LogLine, int]] = []
        line, skipped, rows = self._find_line_from(self.top.offset), self.top.row, 0
        if line is not None and line.offset != self.top.offset:
            skipped = 0
        while line is not None and rows < height:
            skipped = min(skipped, max(0, self._count_rows(line) - 1))
            found.append((line, skipped))
            rows += self._count_rows(line) - skipped
            line, skipped = self._find_line_from(line.end), 0
        return found

    def _move_up(self, position: LogPosition, rows: int) -> LogPosition:
        """Returns the position `rows` rows further up, or the first position."""
        if position.row >= rows:
            return LogPosition(position.offset, position.row - rows)
        left, offset = rows - position.row, position.offset
        while left > 0 and (line := self.find_line_before(offset)) is not None:
            count = self._count_rows(line)
            if count >= left:
                return LogPosition(line.offset, count - left)
            left, offset = left - count, line.offset
        return LogPosition(offset)

    def _move_down(self, position: LogPosition, rows: int) -> LogPosition:
        line, skipped = self._find_line_from(position.offset), position.row
        while line is not None and rows >= self._count_rows(line) - skipped:
            rows -= self._count_rows(line) - skipped
            following = self._find_line_from(line.end)
            if following is None:
                return LogPosition(line.offset, max(0, self._count_rows(line) - 1))
            line, skipped = following, 0
        return position if line is None else LogPosition(line.offset, skipped + rows)

    def _find_line_from(self, offset: int) -> LogLine | None:
        """Returns the first line from `offset` on with bytes of the visible stream."""
        if self.stream is not None:
            found = self.stamps.find_next(self.stream, offset)
            if found is None or found >= self.reader.size:
                return None
            offset = max(offset, self.reader.line_start(found))
        return self.reader.line_at(offset)

    def find_line_before(self, offset: int) -> LogLine | None:
        """Returns the last line before `offset` with bytes of the visible stream."""
        if self.stream is None:
            return self.reader.line_before(offset)
        end = self.stamps.find_previous(self.stream, min(offset, self.reader.size))
        if end is None or end <= 0:
            return None
        start = self.reader.line_start(end - 1)
        return self.reader.line_at(start)
