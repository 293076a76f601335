"""The part of a log that is in view: a position in the file, and the lines from there on. Draws nothing.

The position is an offset in the file and not a line number. Therefore a log of any size opens at its end immediately,
and the position stays valid when lines wrap, a stream is hidden or the file grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.log_lines import LogLines


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A row of a log: the line that starts at `offset`, and the number of the row in that line."""

    offset: int
    row: int = 0


RowCount = Callable[[ShownLine], int]


class LogWindow:
    """A window of some rows of a log. `count_rows` counts the rows of a line."""

    def __init__(self, log: LogLines, count_rows: RowCount) -> None:
        self.log = log
        self.top = LogPosition(0)
        self._count_rows = count_rows

    def move_to_end(self, height: int) -> None:
        """Moves the window so that the last row of the log is the last row in view."""
        self.top = self._move_up(LogPosition(self.log.size), height)

    def move_to_start(self) -> None:
        self.top = LogPosition(0)

    def move_to_offset(self, offset: int, rows_above: int) -> None:
        """Moves the window so that the line with the byte at `offset` is `rows_above` rows below its top."""
        line = self.log.line_at(offset)
        self.top = self._move_up(LogPosition(line.offset if line else self.log.size), rows_above)

    def show_row(self, position: LogPosition, height: int, rows_above: int) -> None:
        """Moves the window so that this row of a line is `rows_above` rows below its top, if it is not in view."""
        row = 0
        for line, skipped in self.get_lines(height):
            if line.offset == position.offset and skipped <= position.row < skipped + height - row:
                return
            row += self._count_rows(line) - skipped
        self.top = self._move_up(position, rows_above)

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
        lines = self.get_lines(height)
        free_rows = height - sum(self._count_rows(line) - skipped for line, skipped in lines)
        if free_rows > 0:
            self.move_to_end(height)
        elif free_rows == 0:
            last = lines[-1][0]
            return not any(line.offset > last.offset for line in self.log.lines_from(last.offset, 2))
        return free_rows > 0

    def get_lines(self, height: int) -> list[tuple[ShownLine, int]]:
        """Returns the lines in view, each with the number of its rows above the window."""
        found: list[tuple[ShownLine, int]] = []
        rows = 0
        for line in self.log.lines_from(self.top.offset, height):
            if rows >= height:
                break
            skipped = self.top.row if line.offset == self.top.offset else 0
            skipped = min(skipped, max(0, self._count_rows(line) - 1))
            found.append((line, skipped))
            rows += self._count_rows(line) - skipped
        return found

    def _move_up(self, position: LogPosition, rows: int) -> LogPosition:
        """Returns the position `rows` rows further up, or the first position."""
        if position.row >= rows:
            return LogPosition(position.offset, position.row - rows)
        left, offset = rows - position.row, position.offset
        while left > 0 and (lines := self.log.lines_before(offset, left)):
            for line in reversed(lines):
                count = self._count_rows(line)
                if count >= left:
                    return LogPosition(line.offset, count - left)
                left, offset = left - count, line.offset
        return LogPosition(offset)

    def _move_down(self, position: LogPosition, rows: int) -> LogPosition:
        """Returns the position `rows` rows further down, or the last position."""
        for line in self.log.lines_from(position.offset, rows + 1):
            skipped = position.row if line.offset == position.offset else 0
            count = self._count_rows(line)
            if rows < count - skipped:
                return LogPosition(line.offset, skipped + rows)
            rows -= count - skipped
            position = LogPosition(line.offset, max(0, count - 1))
        return position
