"""Lays out the rows of a comparison: side by side, or one below the other where there is no room."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flow_core.logs.analysis.diff_rows import CHANGED, FOLDED, LEFT, RIGHT, SAME, DiffRow

_MIDDLE = 3
_CUT = "›"
_DIFFERENCES = re.compile(rb"[^=~]+")


@dataclass(frozen=True, slots=True)
class DiffStyles:
    """The styles of a comparison in the active theme."""

    text: Style
    left: Style
    right: Style
    changed: Style
    fold: Style
    cursor: Style

    @classmethod
    def of(cls, base: Style, component: Callable[[str], Style]) -> DiffStyles:
        """Lays the styles over `base`. `component` finds a style by its name."""
        left, right, changed, fold = (base + component(name) for name in ("left", "right", "changed", "fold"))
        return cls(base, left, right, changed, fold, component("cursor"))


@dataclass(frozen=True, slots=True)
class DiffLayout:
    """The width of a row, the cells of the text that are scrolled out of view, and the styles."""

    width: int
    scrolled: int
    styles: DiffStyles

    def draw_pair(self, row: DiffRow, side: int | None) -> Strip:
        """Draws both texts, with the sign between them. `side` has the cursor: 0 is the left one, None is neither."""
        if row.sign == FOLDED:
            return self._draw_fold(row, side is not None)
        column = max(1, (self.width - _MIDDLE) // 2)
        halves = [self._draw_text(row, number, column, number == side) for number in (0, 1)]
        sign = " " if row.sign == SAME else row.sign
        middle = Strip([Segment(f" {sign} ", self._style_of(row.sign))])
        return Strip.join([halves[0], middle, halves[1]]).adjust_cell_length(self.width, self.styles.text)

    def draw_single(self, row: DiffRow, side: int, *, has_cursor: bool) -> Strip:
        """Draws one text, after the sign of its log."""
        if row.sign == FOLDED:
            return self._draw_fold(row, has_cursor)
        sign = " " if row.sign == SAME else (LEFT, RIGHT)[side]
        mark = Strip([Segment(f"{sign} ", self._style_of(sign))])
        return Strip.join([mark, self._draw_text(row, side, max(1, self.width - 2), has_cursor, sign)])

    def _draw_fold(self, row: DiffRow, has_cursor: bool) -> Strip:
        text = f"··· {row.lines:,} equal {'line' if row.lines == 1 else 'lines'} ···"
        style = self.styles.fold + self.styles.cursor if has_cursor else self.styles.fold
        return Strip([Segment(text, style)]).adjust_cell_length(self.width, style)

    def _draw_text(self, row: DiffRow, side: int, width: int, has_cursor: bool, sign: str = "") -> Strip:
        text = (row.left_text, row.right_text)[side]
        style = self._style_of(sign or row.sign)
        if has_cursor:
            style += self.styles.cursor
        segments = [Segment(text, style)]
        if row.sign == CHANGED:
            start, end = find_changed_part(text, (row.left_text, row.right_text)[1 - side])
            part = style + Style(underline=True)
            segments = [Segment(text[:start], style), Segment(text[start:end], part), Segment(text[end:], style)]
        strip = Strip(segments)
        shown = strip.crop(self.scrolled, self.scrolled + width).adjust_cell_length(width, style)
        if strip.cell_length > self.scrolled + width:
            shown = Strip.join([shown.crop(0, width - 1), Strip([Segment(_CUT, self.styles.fold)])])
        return shown

    def _style_of(self, sign: str) -> Style:
        styles = self.styles
        return {LEFT: styles.left, RIGHT: styles.right, CHANGED: styles.changed}.get(sign, styles.text)


class DiffLines:
    """Maps the lines on the screen to the rows of a comparison. A changed pair takes two lines if they are not beside
    each other."""

    def __init__(self, *, is_side_by_side: bool) -> None:
        self.is_side_by_side = is_side_by_side
        self._places = array("q")
        self._rows = 0

    def __len__(self) -> int:
        return self._rows if self.is_side_by_side else len(self._places)

    def extend(self, signs: bytearray) -> None:
        """Adds the rows that are new in `signs`."""
        if not self.is_side_by_side:
            for number in range(self._rows, len(signs)):
                sign = chr(signs[number])
                if sign != RIGHT:
                    self._places.append(2 * number)
                if sign in (RIGHT, CHANGED):
                    self._places.append(2 * number + 1)
        self._rows = len(signs)

    def find_row(self, line: int) -> tuple[int, int]:
        """Returns the number of the row, and the side of the text in it."""
        return (line, 0) if self.is_side_by_side else divmod(self._places[line], 2)

    def find_line(self, row: int) -> int:
        """Returns the first line of a row."""
        return row if self.is_side_by_side else bisect_left(self._places, 2 * row)


def find_difference(signs: bytearray, row: int, step: int) -> int | None:
    """Returns the first row of the next difference, or of the previous one; None if there is none."""
    equal = {ord(SAME), ord(FOLDED)}
    number = row + step
    while 0 <= number < len(signs):
        if signs[number] not in equal and (number == 0 or signs[number - 1] in equal):
            return number
        number += step
    return None


def count_differences(signs: bytearray) -> int:
    """Returns the number of stretches of rows that differ."""
    return len(_DIFFERENCES.findall(signs))


def find_changed_part(text: str, other: str) -> tuple[int, int]:
    """Returns the range of characters of `text` that differs from `other`: all but the same start and the same end."""
    start = _count_equal(text, other)
    same_end = _count_equal(text[start:][::-1], other[start:][::-1])
    return start, len(text) - same_end


def _count_equal(text: str, other: str) -> int:
    """Returns the number of equal characters at the start."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((number for number, (one, two) in pairs if one != two), min(len(text), len(other)))
