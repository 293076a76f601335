"""The screen of a terminal without a right edge: bytes in, rows out. Rows that left its top are final.

Nothing in the output acts on the real terminal. A cleared screen stays as rows above the new one.
"""

from __future__ import annotations

from itertools import accumulate

from flow_core.logs.shown.bar_redraws import CURSOR_UP, find_bars_end, parse_bars
from flow_core.logs.shown.characters import is_one_column_each
from flow_core.logs.shown.controls import (
    CONTROL,
    CSI,
    ESCAPE,
    PLAIN_BYTES,
    STRING,
    TEXT,
    find_control,
    find_incomplete_end,
    find_special,
    find_string_end,
    iter_tokens,
)
from flow_core.logs.shown.csi import apply_csi
from flow_core.logs.shown.grid import PIECE_COLUMNS, TAB, TerminalGrid
from flow_core.logs.shown.line_batch import find_other, parse_lines
from flow_core.logs.shown.redraws import fold_redraws
from flow_core.logs.shown.utf16 import BYTE_ORDER_MARKS, decode_utf16_line
from flow_core.logs.text_style import PLAIN, TextStyle, apply_sgr

_STRING_LIMIT = 1 << 20
"""A control string that is longer is taken to have no end; what follows is text again."""


class LiveScreen(TerminalGrid):
    """A terminal that receives a log from `offset` on, which is the beginning of a line.

    `rows_above` is how many rows there are above, whose text is not known.
    """

    def __init__(self, offset: int, style: TextStyle = PLAIN, rows_above: int = 0) -> None:
        super().__init__(offset, style, rows_above)
        self._string: bytes | None = None
        self._string_left = 0
        self._pending = b""
        self._has_special = True
        self._bars_from = 0
        """The position in the data up to which `_feed_bars` is of no use."""
        self._offset = offset

    @property
    def end(self) -> int:
        """The offset of the next byte that `feed` expects."""
        return self._offset + len(self._pending)

    def copy(self) -> LiveScreen:
        """Returns a copy of the screen that changes on its own. The rows above the screen are left out."""
        twin = LiveScreen(self._offset, self.style)
        twin.stack = self.stack.copy_screen()
        twin.row = self.row - (len(self.stack.rows) - len(twin.stack.rows))
        twin.column, twin.saved = self.column, self.saved
        twin._string, twin._string_left, twin._pending = self._string, self._string_left, self._pending
        return twin

    @property
    def is_plain(self) -> bool:
        """Whether plain text that comes next is added below all rows, and changes none but the last."""
        return self.row == len(self.stack.rows) - 1 and not self.stack.has_modes and self._string is None

    def count_shown_rows(self) -> int:
        """Returns the number of rows that show something: all but empty ones at the end, from the cursor's on."""
        count = len(self.stack.rows)
        while count > self.row and self.stack.is_empty(count - 1):
            count -= 1
        return count

    def feed(self, data: bytes, offset: int | None = None) -> None:
        """Processes the next bytes of the log. They may be cut anywhere.

        `offset` is theirs if bytes of another stream, which are left out, precede them.
        """
        base = self._offset if offset is None else offset - len(self._pending)
        data = self._pending + data
        position = 0
        if self._string:
            position = self._skip_string(data, position)
        end = find_incomplete_end(data, position)
        self._has_special = bool(data.translate(None, PLAIN_BYTES))
        self._bars_from = 0 if CURSOR_UP in data else end
        while position < end:
            position = (
                self._skip_string(data, position) if self._string else self._feed_lines(data, position, end, base)
            )
        end = max(end, position)
        self._offset, self._pending = base + end, data[end:]

    def skip_to(self, offset: int) -> None:
        """Must be called where bytes of another stream are left out: a line that has no text yet begins after them."""
        if self._is_at_empty_end():
            self.stack.offsets[-1] = max(offset, self.stack.offsets[-1])

    def _feed_lines(self, data: bytes, position: int, end: int, base: int) -> int:
        """Processes plain lines up to the first special byte, or else one line. Returns the new position."""
        special = find_special(data, position, end) if self._has_special else None
        cut = data.rfind(b"\n", position, special.start() if special else end) + 1
        if cut > position:
            self._feed_plain(data[position:cut], base + position)
            return cut
        if special is not None and (cut := self._feed_batch(data, position, end, base)) > position:
            return cut
        newline = data.find(b"\n", position, end)
        stop = end if newline < 0 else newline
        if special is None or special.start() >= stop:
            if stop > position:
                self.write(data[position:stop].decode("ascii"), base + position)
            reached = stop
        else:
            reached = self._feed_line(data, position, stop, base)
        if reached == newline:
            if (cut := self._feed_bars(data, newline, end, base)) > newline:
                return cut
            self._feed_newline(base + newline + 1)
            return newline + 1
        return reached

    def _feed_plain(self, data: bytes, offset: int) -> None:
        """Processes whole lines of printable ASCII."""
        lines = data.decode("ascii").split("\n")
        lines.pop()
        is_simple = self.style == PLAIN and len(data) <= PIECE_COLUMNS
        for count, line in enumerate(lines):
            if is_simple and self._can_add_rows(offset):
                self._add_plain(lines[count:], offset)
                return
            if line:
                self.write(line, offset)
            offset += len(line) + 1
            self._feed_newline(offset)

    def _is_at_empty_end(self) -> bool:
        return self.row == len(self.stack.rows) - 1 and self.column == 0 and self.stack.is_empty(self.row)

    def _can_add_rows(self, offset: int) -> bool:
        """Returns whether lines from this offset on only add rows."""
        return self._is_at_empty_end() and not self.stack.has_modes and self.stack.offsets[-1] <= offset

    def _add_plain(self, lines: list[str], offset: int) -> None:
        ends = list(accumulate((len(line) + 1 for line in lines), initial=offset))
        self.stack.add_rows(list(lines), ends[:-1], ends[-1])
        self.row = len(self.stack.rows) - 1
        self.last_text = next(filter(None, reversed(lines)), self.last_text)

    def _feed_batch(self, data: bytes, position: int, end: int, base: int) -> int:
        """Processes whole lines that only add rows. Returns the new position."""
        if not self._can_add_rows(base + position):
            return position
        other = find_other(data, position, min(end, position + PIECE_COLUMNS))
        cut = data.rfind(b"\n", position, other.start() if other else min(end, position + PIECE_COLUMNS)) + 1
        if cut > position:
            batch = parse_lines(data[position:cut], base + position, self.style)
            self.stack.add_rows(batch.rows, batch.offsets, batch.end)
            self.row, self.style = len(self.stack.rows) - 1, batch.style
            self.last_text = batch.last_text or self.last_text
        return max(cut, position)

    def _feed_bars(self, data: bytes, position: int, end: int, base: int) -> int:
        """Processes redraws of bars at the cursor and below it. Returns the new position."""
        if position < self._bars_from or self.stack.has_modes:
            return position
        run_end = find_bars_end(data, position, end)
        if run_end == position:
            return position
        rows_below = len(self.stack.rows) - 1 - self.row
        bars = parse_bars(data, position, run_end, rows_below)
        if bars is None:
            self._bars_from = run_end if rows_below else position
            return position
        for below, text in bars.texts.items():
            self.row, self.column = self.row + below, 0
            self.write(text, base + bars.written[below])
            self.row -= below
        self.column, self.last_text = bars.column, bars.last_text
        return bars.end

    def _feed_newline(self, offset: int) -> None:
        self.row = self.stack.feed_line(self.row, offset)
        self.column = 0

    def _feed_line(self, data: bytes, position: int, stop: int, base: int) -> int:
        """Processes bytes of one line. Returns where it stopped: at the end, or in a control string."""
        if b"\0" in data[position : position + 64] or data[position : position + 2] in BYTE_ORDER_MARKS:
            line = data[position:stop]
            decoded = decode_utf16_line(line, is_whole=data[stop : stop + 1] == b"\n")
            if decoded is not line:
                self._feed_tokens(decoded, 0, len(decoded), base + position)
                return stop
        if find_control(data, position, stop) is None and self._feed_redraws(data[position:stop], base + position):
            return stop
        return self._feed_tokens(data, position, stop, base)

    def _feed_redraws(self, line: bytes, offset: int) -> bool:
        """Processes text with no control character but carriage returns. Returns False if it must be done by tokens."""
        first, *redraws = line.decode("utf-8", "replace").split("\r")
        if not is_one_column_each(first) or not all(map(is_one_column_each, redraws)):
            return False
        self.write(first, offset)
        if redraws:
            self.column = 0
            self.write(fold_redraws(redraws), offset + line.rfind(b"\r", 0, len(line) - 1) + 1)
            self.column = len(redraws[-1])
        return True

    def _feed_tokens(self, data: bytes, position: int, stop: int, base: int) -> int:
        """Processes bytes of one line token by token, up to the end or to the beginning of a control string."""
        for token in iter_tokens(data, position, stop):
            kind = token.lastindex
            if kind == TEXT:
                self.write(token[1].decode("utf-8", "replace"), base + token.start())
            elif kind == CSI:
                if token[4] == b"m" and not token[3]:
                    self.style = apply_sgr(self.style, token[2])
                elif not token[3]:
                    self._apply_csi(token[2], token[4], base + token.end())
            elif kind == CONTROL:
                self._apply_control(token[5], base + token.end())
            elif kind == ESCAPE:
                self._apply_escape(token[7], base + token.end())
            elif kind == STRING:
                self._string, self._string_left = token[6], _STRING_LIMIT
                return token.end()
        return stop

    def _apply_csi(self, params: bytes, final: bytes, now: int) -> None:
        apply_csi(self, params, final, now)

    def _apply_control(self, control: bytes, now: int) -> None:
        if control == b"\r":
            self.column = 0
        elif control[0] == 8:
            self.column = max(0, self.column - len(control))
        elif control == b"\t":
            self.column += TAB - self.column % TAB
        elif control in b"\x0b\x0c":
            self.row = self.stack.feed_line(self.row, now)

    def _apply_escape(self, final: bytes, now: int) -> None:
        if final == b"7":
            self.save_cursor()
        elif final == b"8":
            self.restore_cursor()
        elif final == b"M":
            self.row = self.stack.reverse_feed(self.row)
        elif final in b"DE":
            self.row = self.stack.feed_line(self.row, now)
            self.column = 0 if final == b"E" else self.column
        elif final == b"c":
            self.stack.leave_alternate()
            self.stack.region, self.style, self.saved, self.column = None, PLAIN, None, 0
            self.row = self.stack.clear_screen(self.stack.top, now)

    def _skip_string(self, data: bytes, position: int) -> int:
        """Skips a control string. Returns the position after it, or the end of the data."""
        assert self._string is not None  # the caller checked it
        limit = min(len(data), position + self._string_left)
        found = find_string_end[self._string](data, position, limit)
        if found is None:
            self._string_left -= limit - position
            if self._string_left <= 0:
                self._string = None
            return limit
        self._string = None
        return found.start() if found[0] == b"\x1b" else found.end()
