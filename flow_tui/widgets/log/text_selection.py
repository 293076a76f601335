"""Positions and ranges in the shown text of a log. They stay valid when the view scrolls, wraps or changes its size."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from rich.cells import get_character_cell_size

from flow_core.logs.shown.line import ShownLine
from flow_tui.terminal.text_range import CLICK_WORD


class TextPosition(NamedTuple):
    """A position before a character: the offset of its line in the file, and the number of the character in the line.

    Positions sort in reading order.
    """

    offset: int
    character: int = 0


@dataclass(frozen=True, slots=True)
class TextSelection:
    """The text between two positions, or the whole lines from one to the other.

    With `cells`, only the text in these cells of each line is selected: the columns that were in view.
    """

    anchor: TextPosition
    head: TextPosition
    is_lines: bool = False
    cells: range | None = None

    @property
    def start(self) -> TextPosition:
        return min(self.anchor, self.head)

    @property
    def end(self) -> TextPosition:
        return max(self.anchor, self.head)

    @property
    def is_empty(self) -> bool:
        return self.anchor == self.head and not self.is_lines

    def characters_of(self, offset: int, length: int) -> range | None:
        """Returns the selected characters of the line at `offset`, which has this length; None outside of the range.

        The range may be empty, such as for an empty line within the selection.
        """
        if not self.start.offset <= offset <= self.end.offset:
            return None
        if self.is_lines:
            return range(length)
        first = self.start.character if offset == self.start.offset else 0
        last = self.end.character if offset == self.end.offset else length
        return range(min(first, length), min(last, length))

    def extract(self, lines: Iterable[ShownLine]) -> str:
        """Returns the selected text of these lines, which are all of the selection in order."""
        parts = []
        for line in lines:
            selected = self.characters_of(line.offset, len(line.text))
            if selected is not None:
                shown = selected if self.cells is None else _clip(selected, line.text, self.cells)
                parts.append(line.text[shown.start : shown.stop])
        return "\n".join(parts)


def find_words(text: str) -> list[range]:
    """Returns the words that a double click selects."""
    return [range(*found.span()) for found in CLICK_WORD.finditer(text)]


def count_cells(char: str) -> int:
    """Returns the number of cells of a character: 0, 1 or 2."""
    return get_character_cell_size(char)


def _clip(characters: range, text: str, cells: range) -> range:
    """Returns those of the characters that are in these cells completely."""
    if text.isascii():
        return range(max(characters.start, cells.start), min(characters.stop, cells.stop))
    ends = list(accumulate(map(count_cells, text), initial=0))
    first, last = bisect_left(ends, cells.start), bisect_right(ends, cells.stop) - 1
    return range(max(characters.start, first), min(characters.stop, last))
