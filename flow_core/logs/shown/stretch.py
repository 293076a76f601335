"""The lines of a part of a log."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from flow_core.logs.shown.controls import find_last_move, find_move, has_moves
from flow_core.logs.shown.entry import LOOK_BACK, Entry
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.row import Row
from flow_core.logs.shown.row_stack import SCREEN_ROWS
from flow_core.logs.shown.stream_bytes import PIECE, StreamBytes
from flow_core.logs.text_style import PLAIN

_ROWS_KEPT = 8192
_FIRST_STEP = 1024
_AHEAD = 16 * 1024
_BYTES_KEPT = 4 * 1024 * 1024


class Stretch:
    """The part of a log from an entry up to the offset `end`, which `advance` moves on."""

    def __init__(self, source: StreamBytes, entry: Entry) -> None:
        self.source = source
        self.screen = entry.screen
        self.valid_from = entry.valid_from
        self.first_line = entry.first_line
        self.is_exact = entry.is_exact
        self.begin, self.first_style = entry.screen.end, entry.screen.style
        """Where the screen began, and the colours that were open there."""
        self.is_style_known = entry.is_style_known
        self.start = self.end = entry.start
        self._step = _FIRST_STEP
        self._moved_at: int | None = None
        """The end of the last part in which the cursor moved to another row."""

    @property
    def reach(self) -> int:
        """The last offset for which it costs less to continue from `end` than to enter the log closer to that offset.

        An entry close to a block of redraws must read as much as `LOOK_BACK`, and may miss the block's beginning.
        """
        is_block = self._moved_at is not None and self._moved_at > self.end - LOOK_BACK
        return self.end + (LOOK_BACK if is_block else PIECE)

    @property
    def count(self) -> int:
        """The number of lines."""
        return self.screen.count_shown_rows()

    @property
    def final_count(self) -> int:
        """The number of lines that later output can't change."""
        return self.screen.stack.top

    def is_at_end(self) -> bool:
        return self.end >= self.source.size

    def is_final_until(self, offset: int) -> bool:
        """Returns whether no line before `offset` can change any more."""
        stack = self.screen.stack
        return self.end >= offset and (stack.top >= bisect_left(stack.offsets, offset) or self._is_plain_ahead())

    def advance(self) -> None:
        """Adds the next part of the log: a few KiB at first, and at most 64 KiB."""
        self._step = min(2 * self._step, PIECE)
        end, pieces = self.source.read_next(self.end, self._step)
        for offset, data in pieces:
            if self.source.stream is not None:
                self.screen.skip_to(offset)
            self.screen.feed(data, offset)
            if find_last_move(data) >= 0:
                self._moved_at = end
        self.end = max(self.end, end)

    def forget_before(self, offset: int) -> None:
        """Drops final lines that begin before this offset if there are many or large ones."""
        stack = self.screen.stack
        if len(stack.rows) > 2 * _ROWS_KEPT or stack.offsets[stack.top] - stack.offsets[0] > 2 * _BYTES_KEPT:
            before = len(stack.rows)
            oldest = min(offset, max(stack.offsets[stack.top] - _BYTES_KEPT, stack.offsets[-_ROWS_KEPT:][0]))
            stack.drop_above_screen(stack.top - bisect_left(stack.offsets, oldest, 0, stack.top))
            self.screen.row -= before - len(stack.rows)
            self.valid_from = max(self.valid_from, stack.offsets[0])

    def _is_plain_ahead(self) -> bool:
        """Returns whether no redraw in the rest of the log can reach the lines that are there now.

        Looks at the bytes of the next lines only, which costs less than to interpret them.
        """
        if not self.screen.is_plain:
            return False
        position, lines = self.end, 0
        while lines <= SCREEN_ROWS and position < self.end + PIECE:
            data = self.source.reader.read(position, _AHEAD)
            move = find_move(data) if has_moves(data) else None
            lines += data.count(b"\n", 0, move.start() if move else len(data))
            if move is not None or len(data) < _AHEAD:
                return lines > SCREEN_ROWS or move is None
            position += _AHEAD
        return True

    def get_offset(self, number: int) -> int:
        """Returns the offset of a line by its number in this stretch."""
        return self.screen.stack.offsets[number]

    def find(self, offset: int) -> int:
        """Returns the number of the line that contains the byte at `offset`, counted in this stretch."""
        return max(0, bisect_right(self.screen.stack.offsets, offset) - 1)

    def count_before(self, offset: int) -> int:
        """Returns the number of lines that begin before `offset`."""
        return min(self.count, bisect_left(self.screen.stack.offsets, offset))

    def count_valid_before(self, offset: int, limit: int) -> int:
        """Returns how many lines right before `offset` are known, at most `limit`.

        These are the lines that began or were written from `valid_from` on.
        """
        stack, last = self.screen.stack, self.count_before(offset)
        number = last
        while number > 0 and last - number < limit:
            row = stack.rows[number - 1]
            written_at = row.written_at if isinstance(row, Row) else 0
            offset = stack.offsets[number - 1]
            if max(written_at, offset) < self.valid_from or offset < self.first_line:
                break
            number -= 1
        return last - number

    def get_line(self, number: int) -> ShownLine:
        """Returns a line by its number in this stretch."""
        stack = self.screen.stack
        offset = stack.offsets[number]
        end = stack.offsets[number + 1] if number + 1 < len(stack.offsets) else max(self.end, offset)
        is_final = number < stack.top
        row = stack.rows[number]
        if not isinstance(row, Row):
            text = row.rstrip(" ")
            return ShownLine(offset, end, offset, text, ((text, PLAIN),) if text else (), is_final)
        runs = row.to_runs()
        return ShownLine(offset, end, row.written_at, "".join(text for text, _ in runs).rstrip(" "), runs, is_final)
