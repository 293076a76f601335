"""Draws the visible rows of a terminal core, its cursor, and highlights."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from flow_tui.terminal.copy_mode import CopyMode, Mark
from flow_tui.terminal.core import Cursor, TerminalCore
from flow_tui.terminal.rich_segments import to_segments

_CURSOR = Style(reverse=True)
_IDLE_CURSOR = Style(underline=True)
_SELECTED = Style(reverse=True)
_FOUND = Style(color="black", bgcolor="yellow", reverse=False)


class TerminalPainter:
    """A painter that keeps a strip for each visible row, and makes its widget repaint only the rows that changed."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._strips: list[Strip] = []
        self._cursor = Cursor(0, 0, False)
        self._marks: dict[int, list[Mark]] = {}
        self._base: Style | None = None

    def paint(self, core: TerminalCore, copy_mode: CopyMode | None = None) -> None:
        """Updates the strips from the core. `copy_mode` replaces the cursor and highlights text."""
        base, width = self._read_base(), self._widget.size.width
        del self._strips[core.rows :]
        self._strips += [Strip.blank(width, base)] * (core.rows - len(self._strips))
        dirty = core.take_dirty_rows()
        for y in dirty:
            self._strips[y] = Strip(to_segments(core.get_row(y), base), core.cols)
        if touched := {*dirty, *self._move_cursor(core, copy_mode), *self._change_marks(copy_mode)}:
            self._widget.refresh(*(Region(0, y, width, 1) for y in touched))

    def render_line(self, y: int) -> Strip:
        """Returns the strip of a row, as wide as the widget."""
        base, width = self._base or self._widget.rich_style, self._widget.size.width
        if y >= len(self._strips):
            return Strip.blank(width, base)
        strip = self._strips[y]
        for mark in self._marks.get(y, ()):
            strip = _restyle_columns(strip, mark.first, mark.last + 1, _SELECTED if mark.is_selected else _FOUND)
        if self._cursor.visible and self._cursor.y == y:
            strip = _draw_cursor(strip, self._cursor.x, _CURSOR if self._widget.has_focus else _IDLE_CURSOR)
        return strip.adjust_cell_length(width, base)

    def restyle(self, core: TerminalCore) -> None:
        """Draws all rows again, over the current style of the widget."""
        if len(self._strips) == core.rows:
            base = self._read_base()
            self._strips = [Strip(to_segments(core.get_row(y), base), core.cols) for y in range(core.rows)]

    def _read_base(self) -> Style:
        """Reads the style of the widget once for all rows, because that takes as long as drawing a row."""
        self._base = self._widget.rich_style
        return self._base

    def _move_cursor(self, core: TerminalCore, copy_mode: CopyMode | None) -> tuple[int, ...]:
        """Moves the cursor. Returns its old row and its new row if it moved."""
        before, self._cursor = self._cursor, core.cursor if copy_mode is None else copy_mode.cursor
        return (before.y, self._cursor.y) if before != self._cursor else ()

    def _change_marks(self, copy_mode: CopyMode | None) -> set[int]:
        """Updates the highlights. Returns the rows whose highlights changed."""
        before, self._marks = self._marks, {} if copy_mode is None else copy_mode.get_marks()
        return {y for y in {*before, *self._marks} if before.get(y) != self._marks.get(y)}


def _draw_cursor(strip: Strip, x: int, style: Style) -> Strip:
    """Restyles the character at column `x`; both columns of a wide character."""
    return _restyle_columns(strip, x, x + 2 if len(strip.crop(x, x + 2).text) == 1 else x + 1, style)


def _restyle_columns(strip: Strip, start: int, end: int, style: Style) -> Strip:
    under = [Segment(text, (own or Style()) + style) for text, own, _ in strip.crop(start, end)]
    return Strip.join([strip.crop(0, start), Strip(under), strip.crop(end, strip.cell_length)])
