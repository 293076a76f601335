"""The lines of a part of a log."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from flow_core.logs.shown.entry import Entry
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.row import Row
from flow_core.logs.shown.stream_bytes import StreamBytes
from flow_core.logs.text_style import PLAIN

_ROWS_KEPT = 8192
_BYTES_KEPT = 4 * 1024 * 1024


class Stretch:
    """The part of a log from an entry up to the offset `end`, which `advance` moves on."""

    def __init__(self, source: StreamBytes, entry: Entry) -> None:
        self._source = source
        self._screen = entry.screen
        self.valid_from = entry.valid_from
        self.is_exact = entry.is_exact
        self.end = entry.start

    @property
    def count(self) -> int:
        """The number of lines."""
        return self._screen.count_shown_rows()

    @property
    def final_count(self) -> int:
        """The number of lines that later output can't change."""
        return self._screen.stack.top

    def is_at_end(self) -> bool:
        return self.end >= self._source.size

    def advance(self) -> None:
        """Adds the next part of the log, at most 64 KiB."""
        end, pieces = self._source.read_next(self.end)
        for offset, data in pieces:
            self._screen.feed(data, offset)
        self.end = max(self.end, end)

    def forget_before(self, offset: int) -> None:
        """Drops final lines that begin before this offset if there are many or large ones."""
        stack = self._screen.stack
        if len(stack.rows) > 2 * _ROWS_KEPT or stack.offsets[stack.top] - stack.offsets[0] > 2 * _BYTES_KEPT:
            before = len(stack.rows)
            oldest = min(offset, max(stack.offsets[stack.top] - _BYTES_KEPT, stack.offsets[-_ROWS_KEPT:][0]))
            stack.drop_above_screen(stack.top - bisect_left(stack.offsets, oldest, 0, stack.top))
            self._screen.row -= before - len(stack.rows)
            self.valid_from = max(self.valid_from, stack.offsets[0])

    def find(self, offset: int) -> int:
        """Returns the number of the line that contains the byte at `offset`, counted in this stretch."""
        return max(0, bisect_right(self._screen.stack.offsets, offset) - 1)

    def count_before(self, offset: int) -> int:
        """Returns the number of lines that begin before `offset`."""
        return min(self.count, bisect_left(self._screen.stack.offsets, offset))

    def count_valid_before(self, offset: int) -> int:
        """Returns the number of lines that begin before `offset` and from `valid_from` on."""
        return self.count_before(offset) - bisect_left(self._screen.stack.offsets, self.valid_from)

    def get_line(self, number: int) -> ShownLine:
        """Returns a line by its number in this stretch."""
        stack = self._screen.stack
        offset = stack.offsets[number]
        end = stack.offsets[number + 1] if number + 1 < len(stack.offsets) else max(self.end, offset)
        is_final = number < stack.top
        row = stack.rows[number]
        if not isinstance(row, Row):
            text = row.rstrip(" ")
            return ShownLine(offset, end, offset, text, ((text, PLAIN),) if text else (), is_final)
        runs = row.to_runs()
        return ShownLine(offset, end, row.written_at, "".join(text for text, _ in runs), runs, is_final)
