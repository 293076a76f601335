"""A terminal without a right edge: its rows, its cursor and the style of what is written next."""

from __future__ import annotations

from flow_core.logs.shown.row_stack import SCREEN_ROWS, RowStack
from flow_core.logs.text_style import PLAIN, TextStyle

TAB = 8
LAST_COLUMN = 999
"""The last column that a movement of the cursor reaches. Text may be longer."""
PIECE_COLUMNS = 1 << 20
"""A longer line is continued on the next row, so that the memory for a row is bounded."""

_FEWEST_ROWS = 10
"""A terminal with so few rows is not inferred from a scroll region."""


class TerminalGrid:
    """Rows with a cursor. `row` is the row of the cursor, as an index into the rows of the stack."""

    def __init__(self, offset: int, style: TextStyle = PLAIN, rows_above: int = 0) -> None:
        self.stack = RowStack(offset, rows_above)
        self.row = rows_above
        self.column = 0
        self.style = style
        self.last_text = ""
        """What was written last; its last character can be repeated."""
        self.saved: tuple[int, int, TextStyle] | None = None

    def move_rows(self, count: int) -> None:
        """Moves the cursor down, or up if negative; it stays on the screen, and in the scroll region if it is in it."""
        region, top = self.stack.region, self.stack.top
        first, last = top, top + SCREEN_ROWS - 1
        if region is not None:
            first = top + region[0] if self.row >= top + region[0] else first
            last = top + region[1] if self.row <= top + region[1] else last
        self.row = min(max(self.row + count, first), last)
        self.stack.grow_to(self.row)

    def set_row(self, row: int) -> None:
        """Moves the cursor to a row, counted from the top of the screen."""
        self.row = self.stack.top + min(row, SCREEN_ROWS - 1)
        self.stack.grow_to(self.row)

    def set_column(self, column: int) -> None:
        """Moves the cursor to a column; it stays within the text, or within the columns that movements reach."""
        self.column = max(0, min(column, max(LAST_COLUMN, self.stack.get_row(self.row).width)))

    def set_region(self, first: int, last: int) -> None:
        """Sets the scroll region, by rows of the screen counted from 0, and moves the cursor to the first row.

        A region that begins at the first row and ends above the cursor means a terminal with fewer rows than this
        screen: it has one row below the region, which is the cursor's.
        """
        rows = last + 2
        if first == 0 and rows > _FEWEST_ROWS and not self.stack.is_alternate:
            self._lower_top(self.row - rows + 1)
        self.stack.set_region(first, last)
        self.set_row(0)
        self.column = 0

    def _lower_top(self, top: int) -> None:
        moved = max(0, top - self.stack.top)
        self.stack.top += moved
        if self.saved is not None:
            self.saved = (max(0, self.saved[0] - moved), *self.saved[1:])

    def save_cursor(self) -> None:
        self.saved = (self.row - self.stack.top, self.column, self.style)

    def restore_cursor(self) -> None:
        row, self.column, self.style = self.saved or (0, 0, PLAIN)
        self.set_row(row)

    def write(self, text: str, offset: int) -> None:
        """Writes text, whose first byte is at `offset`, at the cursor."""
        if not text:
            return
        if self.column + len(text) > PIECE_COLUMNS:
            text = self._write_pieces(text, offset)
        row = self.stack.get_row(self.row)
        if self.column != row.width or not row.width:
            row.written_at = offset
        self.last_text = text
        self.column = row.write(self.column, text, self.style)

    def _write_pieces(self, text: str, offset: int) -> str:
        """Writes text that makes a row too long, on as many rows as it needs; returns what the last row gets."""
        while self.column + len(text) > PIECE_COLUMNS:
            room = max(0, PIECE_COLUMNS - self.column)
            self.stack.get_row(self.row).write(self.column, text[:room], self.style)
            text = text[room:]
            if self.row < len(self.stack.rows) - 1 or self.stack.has_modes:
                return text[-PIECE_COLUMNS:]
            offset += room
            self.stack.add(offset)
            self.row, self.column = self.row + 1, 0
        return text
