"""The rows of a terminal's screen and the rows above it, with the offset in the log that began each."""

from __future__ import annotations

from flow_core.logs.shown.row import Row
from flow_core.logs.text_style import PLAIN

SCREEN_ROWS = 256
"""The height of the screen: output can change this many rows at the end, and no row above them."""


class RowStack:
    """Rows from top to bottom. The last `SCREEN_ROWS` of them are the screen, which begins at `top`.

    Offsets belong to positions and not to contents: where rows move, their contents do, so that offsets always
    increase. There is always at least one row.
    """

    __slots__ = ("_main", "offsets", "region", "rows", "top")

    def __init__(self, offset: int, rows_above: int = 0) -> None:
        self.rows: list[Row | str] = [*[""] * rows_above, Row(written_at=offset)]
        """A row that was only ever one line of plain text is kept as that text; `get_row` makes a `Row` of it."""
        self.offsets = list(range(offset - rows_above, offset + 1))
        self.top = 0
        self.region: tuple[int, int] | None = None
        """The scroll region: its first and last row, counted from the top of the screen."""
        self._main: tuple[int, int, tuple[int, int] | None] | None = None

    @property
    def is_alternate(self) -> bool:
        """Whether the rows from `top` on are an alternate screen, which goes away when its program ends."""
        return self._main is not None

    @property
    def has_modes(self) -> bool:
        """Whether rows move otherwise than at the end: on an alternate screen, or in a scroll region."""
        return self._main is not None or self.region is not None

    def get_row(self, index: int) -> Row:
        """Returns a row, which may then be changed."""
        row = self.rows[index]
        if isinstance(row, str):
            row = self.rows[index] = Row(row, PLAIN, self.offsets[index])
        return row

    def is_empty(self, index: int) -> bool:
        row = self.rows[index]
        return not (row if isinstance(row, str) else row.width)

    def add_rows(self, rows: list[Row | str], offsets: list[int], end: int) -> None:
        """Adds rows from the last row on, which is empty and keeps its offset, and below them an empty row."""
        self.rows.pop()
        self.rows += rows
        self.offsets += offsets[1:]
        self.add(end)

    def copy_screen(self) -> RowStack:
        """Returns a copy of the screen alone; the rows above it are left out."""
        twin = RowStack(0)
        first = self.top if self._main is None else self._main[1]
        twin.rows = [row if isinstance(row, str) else row.copy() for row in self.rows[first:]]
        twin.offsets = self.offsets[first:]
        twin.top, twin.region = self.top - first, self.region
        if self._main is not None:
            twin._main = (self._main[0] - first, 0, self._main[2])
        return twin

    def drop_above_screen(self, keep: int) -> None:
        """Forgets the oldest rows above the screen, so that at most `keep` of them are left."""
        first = self.top if self._main is None else self._main[1]
        if (count := first - keep) <= 0:
            return
        del self.rows[:count], self.offsets[:count]
        self.top -= count
        if self._main is not None:
            self._main = (self._main[0] - count, self._main[1] - count, self._main[2])

    def add(self, offset: int) -> None:
        """Adds an empty row at the end. Its offset is the next free one if several rows were begun by the same byte."""
        self.rows.append("")
        self.offsets.append(max(offset, self.offsets[-1] + 1))
        if self._main is None:
            self.top = max(self.top, len(self.rows) - SCREEN_ROWS)

    def grow_to(self, index: int) -> None:
        """Adds empty rows so that the row `index` exists."""
        while len(self.rows) <= index:
            self.add(self.offsets[-1] + 1)

    def feed_line(self, index: int, offset: int) -> int:
        """Moves down from a row; scrolls at the end of the screen or of its scroll region. Returns the new row."""
        bottom = self._bottom
        if index == self.top + bottom and (self.region is not None or self.is_alternate):
            self._scroll_up(offset)
            return min(index + (self.region is not None and not self.is_alternate), len(self.rows) - 1)
        if index + 1 == len(self.rows):
            self.add(offset)
        return min(index + 1, len(self.rows) - 1)

    def reverse_feed(self, index: int) -> int:
        """Moves up from a row; scrolls down at the first row of the screen or of its scroll region."""
        if index != self.top + self._first:
            return max(self.top, index - 1)
        self.insert_rows(index, 1)
        return index

    def scroll_up(self, index: int) -> int:
        """Moves the rows of the screen, or of its scroll region, up by one. Returns the row at the place of `index`."""
        if self.has_modes:
            self.grow_to(self.top + self._bottom)
            self._scroll_up(self.offsets[-1] + 1)
            return index + (not self.is_alternate)
        self.top += 1
        self.grow_to(index + 1)
        return index + 1

    def scroll_down(self, count: int) -> None:
        """Moves the rows of the screen or of its scroll region down; rows that would leave its end are lost."""
        self.insert_rows(self.top + self._first, count)

    def insert_rows(self, index: int, count: int) -> None:
        """Inserts empty rows at a row of the screen; rows that would leave its end are lost."""
        self.grow_to(min(len(self.rows) - 1 + count, self.top + self._bottom))
        last = self._last_of_region(index)
        count = min(count, last - index + 1)
        if count > 0:
            self.rows[index : last + 1] = [
                *(Row(written_at=self.offsets[index]) for _ in range(count)),
                *self.rows[index : last + 1 - count],
            ]

    def delete_rows(self, index: int, count: int) -> None:
        """Deletes rows of the screen; the rows below move up."""
        last = self._last_of_region(index)
        count = min(count, last - index + 1)
        if count > 0:
            blanks = [Row(written_at=self.offsets[last]) for _ in range(count)]
            self.rows[index : last + 1] = [*self.rows[index + count : last + 1], *blanks]

    def clear_from(self, index: int) -> None:
        """Removes the rows from this one on, except that the first of them stays as an empty row."""
        self.get_row(index).clear()
        del self.rows[index + 1 :], self.offsets[index + 1 :]

    def clear_screen(self, index: int, now: int) -> int:
        """Begins a new screen below the rows that are in use; returns the row that `index` becomes.

        The alternate screen is emptied instead: a terminal keeps nothing of it.
        """
        row = index - self.top
        used = len(self.rows)
        while used > self.top and self.is_empty(used - 1):
            used -= 1
        if self.is_alternate:
            used = self.top
        if used == len(self.rows):
            self.add(now)
        self.clear_from(used)
        self.top = used
        self.grow_to(used + row)
        return used + row

    def enter_alternate(self, now: int) -> None:
        """Begins an alternate screen below all rows."""
        if self._main is not None:
            return
        self._main = (len(self.rows), self.top, self.region)
        self.region = None
        self.add(now)
        self.top = len(self.rows) - 1

    def leave_alternate(self) -> None:
        """Removes the alternate screen."""
        if self._main is None:
            return
        count, self.top, self.region = self._main
        self._main = None
        del self.rows[count:], self.offsets[count:]

    def set_region(self, first: int, last: int) -> None:
        """Sets the scroll region by rows of the screen, counted from 0; the whole screen removes it.

        A region that is made one row longer at its end is the whole screen again, as apt restores it: the program's
        terminal may have fewer rows than this screen.
        """
        is_whole = first <= 0 and (last >= SCREEN_ROWS - 1 or self.region == (0, last - 1))
        self.region = None if is_whole or first >= last else (max(0, first), last)

    @property
    def _first(self) -> int:
        return 0 if self.region is None else self.region[0]

    @property
    def _bottom(self) -> int:
        return SCREEN_ROWS - 1 if self.region is None else min(SCREEN_ROWS - 1, self.region[1])

    def _last_of_region(self, index: int) -> int:
        """Returns the last row that moves when rows are inserted at `index`; a row before `index` if none does."""
        first, last = self.top + self._first, self.top + self._bottom
        return min(last, len(self.rows) - 1) if first <= index <= last else index - 1

    def _scroll_up(self, offset: int) -> None:
        """Moves the first row of the scroll region above the screen, and adds an empty row at the region's end."""
        first, last = self.top + self._first, min(self.top + self._bottom, len(self.rows) - 1)
        gone = self.rows.pop(first)
        self.rows.insert(last, Row(written_at=offset))
        if not self.is_alternate:
            self.rows.insert(self.top, gone)
            self.offsets.append(max(offset, self.offsets[-1] + 1))
            self.top += 1
