"""The rows of a log in view as text: which characters of which line each row shows, and in which cells."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from flow_tui.widgets.log.text_selection import TextPosition, count_cells


@dataclass(frozen=True, slots=True)
class TextRow:
    """A row in view.

    It shows `text`, which begins with character number `first` of the line at `offset` and follows `margin` cells;
    `left` cells of it are scrolled out of view. `length` counts the characters of the line. `when` is the time of the
    line, `before` that of the line above it; `is_arrival` is whether `when` is only the time of its arrival.
    """

    offset: int
    end: int
    first: int
    text: str
    length: int
    margin: int
    left: int
    when: datetime | None = None
    before: datetime | None = None
    is_arrival: bool = False

    @property
    def cells(self) -> int:
        """The number of cells that the whole text takes."""
        return self._cell_of(len(self.text))

    @property
    def is_start(self) -> bool:
        """Whether the row is the first one of its line."""
        return self.first == 0

    def position_at(self, x: int, *, after: bool = False) -> TextPosition:
        """Returns the position before, or `after`, the character in this column of the view.

        Columns after the text count as the end of the row.
        """
        cell = max(0, x - self.margin) + self.left
        ends = _cell_ends(self.text)
        index = bisect_right(ends, cell)
        if after and index < len(ends):
            index = bisect_right(ends, ends[index])  # with the marks that belong to the character
        return TextPosition(self.offset, min(self.first + index, self.length))

    def cells_of(self, characters: range) -> range:
        """Returns the columns of the view that show these characters of the line."""
        start = self._cell_of(characters.start - self.first)
        stop = self._cell_of(characters.stop - self.first)
        shift = self.margin - self.left
        return range(max(self.margin, start + shift), max(self.margin, stop + shift))

    def _cell_of(self, index: int) -> int:
        if index <= 0:
            return 0
        index = min(index, len(self.text))
        return index if self.text.isascii() else sum(map(count_cells, self.text[:index]))


def _cell_ends(text: str) -> list[int]:
    return list(accumulate(map(count_cells, text)))
