"""Draws the header and the rows of a table, and caches what it drew."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.cache import FIFOCache
from textual.strip import Strip
from textual.widget import Widget

from flow_tui.widgets.column_fit import ColumnFit
from flow_tui.widgets.columns import GAP, PlacedColumn, RowT, StyledText, fit_content
from flow_tui.widgets.styles import get_component_style, resolve

CURSOR_MARK = "▸ "
_STRIPS_KEPT = 1024

_Drawn = FIFOCache[tuple[Hashable, bool], tuple[RowT, Strip]]


class TablePainter(Generic[RowT]):
    """A painter that uses the styles of `widget`, and the columns that `columns` has placed."""

    def __init__(self, widget: Widget, columns: ColumnFit[RowT], is_stale: Callable[[RowT], bool]) -> None:
        """Creates the painter. `is_stale` is called whenever a row is drawn again."""
        self._widget = widget
        self._columns = columns
        self._is_stale = is_stale
        self._strips: _Drawn[RowT] = FIFOCache(_STRIPS_KEPT)
        self._styles: dict[tuple[str, bool, bool], Style] = {}

    def forget_rows(self) -> None:
        """Clears the drawn rows, so that all are drawn again, such as in columns of other widths."""
        self._strips.clear()

    def forget_styles(self) -> None:
        """Clears the styles and the drawn rows, so that all are drawn in the widget's current styles."""
        self._styles.clear()
        self._strips.clear()

    def take_rows(self) -> _Drawn[RowT]:
        """Returns and clears the drawn rows, by (key, whether under the cursor), so that all are drawn again."""
        drawn, self._strips = self._strips, FIFOCache(_STRIPS_KEPT)
        return drawn

    def draw_row(self, key: Hashable, row: RowT, *, is_cursor: bool) -> Strip:
        """Draws a row. An equal row of the same key comes from the cache."""
        cached = self._strips.get((key, is_cursor))
        if cached is not None and (cached[0] is row or cached[0] == row):
            return cached[1]
        strip = self._build_row(key, row, is_cursor)
        self._strips[(key, is_cursor)] = (row, strip)
        return strip

    def draw_header(self, sort: tuple[str, bool] | None) -> Strip:
        """Draws the titles. `sort` is the key of the column that the rows are sorted by, and whether in reverse."""
        style = self._widget.rich_style + get_component_style(self._widget, "resource-table--header")
        texts = [" " * cell_len(CURSOR_MARK)]
        for i, placed in enumerate(self._columns.placed):
            texts.append(" " * GAP if i else "")
            texts += [part.text for part in fit_content(_format_title(placed, sort), placed.width, placed.column.align)]
        return Strip([Segment(text, style) for text in texts if text]).adjust_cell_length(self._width, style)

    def draw_placeholder(self, y: int, text: str) -> Strip:
        """Draws line `y` of an empty table, which shows the text in its middle. Line 0 is just below the header."""
        style = self._widget.rich_style + get_component_style(self._widget, "resource-table--empty")
        width, lines = self._width, text.splitlines()
        top = max(0, (self._widget.scrollable_content_region.height - 1 - len(lines)) // 2)
        if not top <= y < top + len(lines):
            return self.draw_blank()
        (part,) = fit_content(lines[y - top], min(cell_len(lines[y - top]), width), "left") or [StyledText("")]
        left = (width - cell_len(part.text)) // 2
        return Strip([Segment(" " * left + part.text, style)]).adjust_cell_length(width, style)

    def draw_blank(self) -> Strip:
        return Strip.blank(self._width, self._widget.rich_style)

    @property
    def _width(self) -> int:
        return self._widget.scrollable_content_region.width

    def _build_row(self, key: Hashable, row: RowT, is_cursor: bool) -> Strip:
        is_stale = self._is_stale(row)
        texts = [StyledText(CURSOR_MARK if is_cursor else " " * cell_len(CURSOR_MARK))]
        for i, (placed, parts) in enumerate(zip(self._columns.placed, self._columns.get_cells(key, row), strict=True)):
            texts += [StyledText(" " * GAP)] if i else []
            texts += fit_content(parts, placed.width, placed.column.align)
        segments = [Segment(part.text, self._find_style(part.style, is_cursor, is_stale)) for part in texts]
        return Strip(segments).adjust_cell_length(self._width, self._find_style("", is_cursor, is_stale))

    def _find_style(self, words: str, is_cursor: bool, is_stale: bool) -> Style:
        """Returns the style of a text. Drops unreadable colours: those under the cursor of a focused table."""
        if (cached := self._styles.get((words, is_cursor, is_stale))) is not None:
            return cached
        widget = self._widget
        base = widget.rich_style
        if is_cursor:
            base += get_component_style(widget, "resource-table--cursor")
        own = resolve(words, widget.app.theme_variables, widget.background_colors[1])
        if is_cursor and widget.has_focus:
            own = own.without_color
        if is_stale:
            own = own.without_color + get_component_style(widget, "resource-table--stale")
        style = self._styles[(words, is_cursor, is_stale)] = base + own
        return style


def _format_title(placed: PlacedColumn[RowT], sort: tuple[str, bool] | None) -> str:
    title = placed.column.title
    if sort is None or sort[0] != placed.column.key:
        return title
    return ("▾" if sort[1] else "▴") + title
