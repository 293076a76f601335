"""A virtual table: draws only rows that are in view and have changed, and keeps its cursor on a row key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar, Generic

from rich.cells import cell_len
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive, var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from flow_tui.widgets.announce import announce
from flow_tui.widgets.column_fit import ColumnFit
from flow_tui.widgets.columns import GAP, Column, RowT
from flow_tui.widgets.table_painter import CURSOR_MARK, TablePainter


class ResourceTable(ScrollView, Generic[RowT], can_focus=True, inherit_bindings=False):
    """A table of rows of any kind under a fixed header. It has actions but no keys; the owner of the keymap binds keys.

    Rows must not change in place: a row that equals the last one isn't drawn again. `row_key` identifies a row.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "resource-table--header",
        "resource-table--cursor",
        "resource-table--stale",
        "resource-table--empty",
    }
    DEFAULT_CSS = """
    ResourceTable { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    ResourceTable > .resource-table--header { color: $muted; text-style: bold; }
    ResourceTable > .resource-table--cursor { background: $panel; }
    ResourceTable:focus > .resource-table--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;
    }
    ResourceTable > .resource-table--stale { color: $text-disabled; }
    ResourceTable > .resource-table--empty { color: $muted; }
    """

    empty_text: reactive[str] = reactive("")
    stale: reactive[bool] = reactive(False, toggle_class="-stale")
    cursor_row: var[int] = var(0)

    class _TableMessage(Message):
        """A message of a table, which is its `control`."""

        def __init__(self, table: ResourceTable[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> ResourceTable[Any]:
            return self.table

    class Highlighted(_TableMessage):
        """The cursor moved to another row. `row` is None if the table is empty."""

        def __init__(self, table: ResourceTable[Any], row: Any) -> None:
            super().__init__(table)
            self.row = row

    class Activated(_TableMessage):
        """The user activated a row."""

        def __init__(self, table: ResourceTable[Any], row: Any) -> None:
            super().__init__(table)
            self.row = row

    class LaidOut(_TableMessage):
        """The widths of the columns changed."""

    class HeaderClicked(_TableMessage):
        """The user clicked the title of a column."""

        def __init__(self, table: ResourceTable[Any], column_key: str) -> None:
            super().__init__(table)
            self.column_key = column_key

    def __init__(
        self,
        columns: Sequence[Column[RowT]],
        row_key: Callable[[RowT], Hashable],
        *,
        empty_text: str = "",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.set_reactive(ResourceTable.empty_text, empty_text)
        self._fit: ColumnFit[RowT] = ColumnFit(columns)
        self._row_key = row_key
        self._rows: Sequence[RowT] = ()
        self._keys: list[Hashable] = []
        self._sort: tuple[str, bool] | None = None
        self._is_laid_out = False
        self._painter = TablePainter(self, self._fit, lambda row: self.stale or self.is_stale(row))
        self.is_stale: Callable[[RowT], bool] = lambda _: False
        """Whether to draw a row as stale. Called whenever a row is drawn again."""

    @property
    def rows(self) -> Sequence[RowT]:
        return self._rows

    @property
    def selected(self) -> RowT | None:
        """The row under the cursor."""
        return self._rows[self.cursor_row] if self._rows else None

    @property
    def cursor_key(self) -> Hashable | None:
        return self._keys[self.cursor_row] if self._keys else None

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """The keys of the columns that fit."""
        return tuple(placed.column.key for placed in self._fit.placed)

    @property
    def is_laid_out(self) -> bool:
        """Whether the columns fit the size of the table, which it doesn't know at first."""
        return self._is_laid_out

    @property
    def private_spans(self) -> list[tuple[int, int]]:
        """Where the cells of private columns begin and end in each row."""
        ends = accumulate((placed.width + GAP for placed in self._fit.placed), initial=cell_len(CURSOR_MARK))
        spans = zip(self._fit.placed, pairwise(ends), strict=True)
        return [(start, end - GAP) for placed, (start, end) in spans if placed.column.is_private and self._rows]

    @property
    def cut_cells(self) -> list[tuple[str, str]]:
        """The titles and whole texts of cut cells in the row under the cursor, the most important first."""
        return self._fit.list_cut_cells(self._keys[self.cursor_row], self._rows[self.cursor_row]) if self._rows else []

    @property
    def page_rows(self) -> int:
        """The number of rows in view."""
        return max(1, self.scrollable_content_region.height - 1)

    def set_rows(self, rows: Sequence[RowT]) -> None:
        """Shows these rows. The cursor stays on its key, or moves to the nearest remaining row."""
        before = self._view()
        key, cursor, followed = self.cursor_key, self.cursor_row, self._is_in_view(self.cursor_row)
        old_keys, self._rows = self._keys, rows
        self._keys = [self._row_key(row) for row in rows]
        moved = self._find_new_row(key, cursor, old_keys)
        self.set_reactive(ResourceTable.cursor_row, moved)
        self._resize_virtual()
        if followed or not old_keys:
            self._scroll_to_row(moved)
        self._fit_columns(from_scratch=True)
        self._refresh_changes(before)
        if self.cursor_key != key or (key is None and rows):
            announce(self, self.Highlighted(self, self.selected))

    def move_to(self, key: Hashable) -> bool:
        """Moves the cursor to the row with this key. Returns False if there is none."""
        if key not in self._keys:
            return False
        self.cursor_row = self._keys.index(key)
        return True

    def set_columns(self, columns: Sequence[Column[RowT]]) -> None:
        """Shows other columns of the same rows."""
        self._fit.set_columns(columns)
        self._relayout()

    def set_sort(self, key: str | None, reverse: bool = False) -> None:
        """Marks the column by which the rows are sorted. The caller sorts them."""
        self._sort = None if key is None else (key, reverse)
        self._fit_columns()
        self.refresh(Region(0, 0, self.size.width, 1))

    def redraw_rows(self) -> None:
        """Renders the rows in view again, after a change of something that their cells depend on.

        Repaints only the rows that have changed.
        """
        self._fit.forget()
        self._fit_columns()
        self._refresh_undrawn(self._rows_in_view)

    def update_volatile_cells(self) -> None:
        """Renders the volatile cells in view again, such as ages. Repaints only the rows that have changed."""
        rows = self._rows_in_view
        wider = [row for row in rows if self._fit.render_volatile_cells(self._keys[row], self._rows[row])]
        if wider:
            self._fit_columns()
        self._refresh_undrawn(rows)

    def action_cursor_down(self) -> None:
        self.cursor_row += 1

    def action_cursor_up(self) -> None:
        self.cursor_row -= 1

    def action_page_down(self) -> None:
        self.cursor_row += self.page_rows

    def action_page_up(self) -> None:
        self.cursor_row -= self.page_rows

    def action_half_page_down(self) -> None:
        self.cursor_row += self.page_rows // 2

    def action_half_page_up(self) -> None:
        self.cursor_row -= self.page_rows // 2

    def action_first(self) -> None:
        self.cursor_row = 0

    def action_last(self) -> None:
        self.cursor_row = len(self._rows) - 1

    def action_activate(self) -> None:
        if (row := self.selected) is not None:
            announce(self, self.Activated(self, row))

    def validate_cursor_row(self, row: int) -> int:
        return max(0, min(row, len(self._rows) - 1))

    def watch_cursor_row(self, before: int, after: int) -> None:
        self._scroll_to_row(after)
        for row in (before, after):
            self._refresh_row(row)
        if before != after:
            announce(self, self.Highlighted(self, self.selected))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._fit_columns()

    def watch_stale(self) -> None:
        self._restyle()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._restyle())

    def on_resize(self) -> None:
        self._is_laid_out = True
        self._relayout()

    def watch_show_vertical_scrollbar(self) -> None:
        self._relayout()  # the scroll bar narrows the columns

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._restyle()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_header(offset.x)
        elif (row := offset.y - 1 + round(self.scroll_y)) < len(self._rows):
            self.cursor_row = row
            if event.chain == 2:
                self.action_activate()

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._painter.draw_header(self._sort)
        row = y - 1 + round(self.scroll_y)
        if row < len(self._rows):
            return self._draw_row(row)
        return self._painter.draw_blank() if self._rows else self._painter.draw_placeholder(y - 1, self.empty_text)

    def _draw_row(self, number: int) -> Strip:
        return self._painter.draw_row(self._keys[number], self._rows[number], is_cursor=number == self.cursor_row)

    @property
    def _rows_in_view(self) -> range:
        top = max(0, round(self.scroll_y))
        return range(top, min(top + self.page_rows, len(self._rows)))

    def _refresh_undrawn(self, rows: range) -> None:
        """Repaints those of these rows in view that don't look as they were drawn last."""
        top, width, cursor = round(self.scroll_y), self.size.width, self.cursor_row
        changed = [
            Region(0, row + 1 - top, width, 1)
            for row in rows
            if not self._painter.is_drawn(self._keys[row], self._rows[row], is_cursor=row == cursor)
        ]
        if changed:
            self.refresh(*changed)

    def _view(self) -> list[tuple[RowT, bool]]:
        top = round(self.scroll_y)
        rows = self._rows[top : top + self.page_rows]
        return [(row, top + i == self.cursor_row) for i, row in enumerate(rows)]

    def _refresh_changes(self, before: list[tuple[RowT, bool]]) -> None:
        now = self._view()
        if not before or not now:
            self.refresh()
            return
        for y in range(max(len(before), len(now))):
            if y >= len(before) or y >= len(now) or not _same(before[y], now[y]):
                self.refresh(Region(0, y + 1, self.size.width, 1))

    def _find_new_row(self, key: Hashable | None, cursor: int, old_keys: list[Hashable]) -> int:
        """Finds the new row of a key, or else that of the nearest old key below it, then above it."""
        if not self._keys or key is None:
            return 0
        if cursor < len(self._keys) and self._keys[cursor] == key:
            return cursor
        places = {key: row for row, key in enumerate(self._keys)}
        for candidate in (*old_keys[cursor:], *reversed(old_keys[:cursor])):
            if (row := places.get(candidate)) is not None:
                return row
        return min(cursor, len(self._keys) - 1)

    def _is_in_view(self, row: int) -> bool:
        return 0 <= row - round(self.scroll_y) < self.page_rows

    def _scroll_to_row(self, row: int) -> None:
        if not self.size:
            return
        top = round(self.scroll_y)
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= top + self.page_rows:
            self.scroll_to(y=row - self.page_rows + 1, animate=False, immediate=True)

    def _refresh_row(self, row: int) -> None:
        if self._is_in_view(row):
            self.refresh(Region(0, row + 1 - round(self.scroll_y), self.size.width, 1))

    def _resize_virtual(self) -> None:
        size = Size(self.size.width, len(self._rows) + 1)
        if size != self.virtual_size:
            self.virtual_size = size

    def _fit_columns(self, *, from_scratch: bool = False) -> None:
        """Fits the columns to the rows in view."""
        top = max(0, round(self.scroll_y))
        rows = slice(top, top + self.page_rows)
        width = self.scrollable_content_region.width - cell_len(CURSOR_MARK)
        rows_in_view = zip(self._keys[rows], self._rows[rows], strict=True)
        if self._fit.update_widths(rows_in_view, width, self._sort[0] if self._sort else "", from_scratch=from_scratch):
            self._painter.forget_rows()
            self.refresh()
            announce(self, self.LaidOut(self))

    def _relayout(self) -> None:
        self._painter.forget_rows()
        self._fit_columns(from_scratch=True)
        self._resize_virtual()
        self._scroll_to_row(self.cursor_row)
        self.refresh()

    def _restyle(self) -> None:
        self._painter.forget_styles()
        self.refresh()

    def _click_header(self, x: int) -> None:
        left = cell_len(CURSOR_MARK)
        for placed in self._fit.placed:
            if left <= x < left + placed.width:
                announce(self, self.HeaderClicked(self, placed.column.key))
            left += placed.width + GAP


def _same(one: tuple[object, bool], other: tuple[object, bool]) -> bool:
    return one[1] == other[1] and (one[0] is other[0] or one[0] == other[0])
