"""Draws the header and the rows of a table, and caches what it drew."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import groupby
from operator import attrgetter
from typing import Generic, NamedTuple

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


class _DrawnRow(NamedTuple):
    """A row as it was drawn, and what it was drawn from."""

    cells: list[list[StyledText]]
    """The cells in all columns; the same object as long as none of them changed."""
    is_stale: bool
    fitted: dict[str, tuple[list[StyledText], list[Segment]]]
    """The content of each cell in view, and how it was drawn, by the key of the column."""
    strip: Strip


class TablePainter(Generic[RowT]):
    """A painter that uses the styles of `widget`, and the columns that `columns` has placed."""

    def __init__(self, widget: Widget, columns: ColumnFit[RowT], is_stale: Callable[[RowT], bool]) -> None:
        """Creates the painter. `is_stale` is called whenever a row is drawn again."""
        self._widget = widget
        self._columns = columns
        self._is_stale = is_stale
        self._drawn: FIFOCache[tuple[Hashable, bool], _DrawnRow] = FIFOCache(_STRIPS_KEPT)
        self._styles: dict[tuple[str, bool, bool], Style] = {}
        self._known_width: int | None = None

    def forget_rows(self) -> None:
        """Clears the drawn rows, so that all are drawn again, such as in columns of other widths."""
        self._drawn.clear()
        self._known_width = None

    def forget_styles(self) -> None:
        """Clears the styles and the drawn rows, so that all are drawn in the widget's current styles."""
        self._styles.clear()
        self._drawn.clear()
        self._known_width = None

    def is_drawn(self, key: Hashable, row: RowT, *, is_cursor: bool) -> bool:
        """Returns whether the row was drawn with its current cells."""
        return self._find_drawn(key, row, is_cursor) is not None

    def draw_row(self, key: Hashable, row: RowT, *, is_cursor: bool) -> Strip:
        """Draws a row. A row whose cells have not changed comes from the cache; otherwise, each cell that has not."""
        if (found := self._find_drawn(key, row, is_cursor)) is None:
            found = self._drawn[(key, is_cursor)] = self._build_row(key, row, is_cursor)
        return found.strip

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
        if self._known_width is None:  # Textual takes long to calculate it
            self._known_width = self._widget.scrollable_content_region.width
        return self._known_width

    def _find_drawn(self, key: Hashable, row: RowT, is_cursor: bool) -> _DrawnRow | None:
        drawn = self._drawn.get((key, is_cursor))
        if drawn is None or drawn.cells is not self._columns.render_cells(key, row):
            return None
        return drawn if drawn.is_stale == self._is_stale(row) else None

    def _build_row(self, key: Hashable, row: RowT, is_cursor: bool) -> _DrawnRow:
        is_stale, before = self._is_stale(row), self._drawn.get((key, is_cursor))
        known = before.fitted if before is not None and before.is_stale == is_stale else {}
        base = self._find_style("", is_cursor, is_stale)
        fitted: dict[str, tuple[list[StyledText], list[Segment]]] = {}
        mark = Segment(CURSOR_MARK if is_cursor else " " * cell_len(CURSOR_MARK), base)
        segments, gap = [mark], Segment(" " * GAP, base)
        for placed, parts in zip(self._columns.placed, self._columns.get_cells(key, row), strict=True):
            cell = known.get(placed.column.key)
            if cell is None or cell[0] is not parts:
                texts = fit_content(parts, placed.width, placed.column.align)
                cell = parts, [Segment(part.text, self._find_style(part.style, is_cursor, is_stale)) for part in texts]
            segments += [gap, *cell[1]] if fitted else cell[1]
            fitted[placed.column.key] = cell
        width = mark.cell_length + sum(placed.width + GAP for placed in self._columns.placed) - GAP * bool(fitted)
        return _DrawnRow(self._columns.render_cells(key, row), is_stale, fitted, self._pad(segments, width, base))

    def _pad(self, segments: list[Segment], width: int, style: Style) -> Strip:
        """Makes a line of the segments, which are `width` cells wide, with as few segments as possible."""
        if (room := self._width - width) > 0:
            segments = [*segments, Segment(" " * room, style)]
        joined = [
            Segment("".join(segment.text for segment in run), run_style)
            for run_style, run in groupby(segments, key=attrgetter("style"))
        ]
        return Strip(joined, width + max(0, room)).adjust_cell_length(self._width, style)

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
