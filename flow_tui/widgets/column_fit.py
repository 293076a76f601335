"""Fits the columns of one table to the content of the rows in view."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic

from rich.cells import cell_len
from textual.cache import FIFOCache

from flow_tui.widgets.columns import Column, PlacedColumn, RowT, StyledText, place_columns, to_styled_texts

_ROWS_KEPT = 1024
_NOTHING = frozenset({"", "-"})


class ColumnFit(Generic[RowT]):
    """The fit of the columns of one table. It renders each row once and keeps the widest content of each column."""

    def __init__(self, columns: Sequence[Column[RowT]]) -> None:
        self.placed: tuple[PlacedColumn[RowT], ...] = ()
        self._placed_indexes: list[int] = []
        self._needs: dict[str, int] = {}
        self._cells: FIFOCache[Hashable, tuple[RowT, list[list[StyledText]]]] = FIFOCache(_ROWS_KEPT)
        self.set_columns(columns)

    def set_columns(self, columns: Sequence[Column[RowT]]) -> None:
        """Replaces the columns. The rows are the same."""
        self._columns = tuple(columns)
        self._volatile = [(at, column) for at, column in enumerate(self._columns) if column.is_volatile]
        self.forget()

    def forget(self) -> None:
        """Clears the cache, so that every row is rendered again."""
        self._cells.clear()

    def render_cells(self, key: Hashable, row: RowT) -> list[list[StyledText]]:
        """Returns the cells of a row in every column. As long as none changed, the result is the same object."""
        cached = self._cells.get(key)
        if cached is not None and (cached[0] is row or cached[0] == row):
            return cached[1]
        cells = [to_styled_texts(column.render(row)) for column in self._columns]
        self._cells[key] = (row, cells)
        return cells

    def render_volatile_cells(self, key: Hashable, row: RowT) -> bool:
        """Renders the cells of a row again that depend on more than the row. Returns whether one is wider than ever."""
        before = self.render_cells(key, row)
        cells, has_grown = before, False
        for at, column in self._volatile:
            parts = to_styled_texts(column.render(row))
            if parts != before[at]:
                cells = [*before] if cells is before else cells
                cells[at] = parts
                has_grown = has_grown or _content_width(parts) > self._needs.get(column.key, 0)
        if cells is not before:
            self._cells[key] = (row, cells)
        return has_grown

    def get_cells(self, key: Hashable, row: RowT) -> list[list[StyledText]]:
        """Returns the cells of a row in every placed column."""
        cells = self.render_cells(key, row)
        return [cells[at] for at in self._placed_indexes]

    def update_widths(
        self, rows: Iterable[tuple[Hashable, RowT]], width: int, sorted_by: str, *, from_scratch: bool
    ) -> bool:
        """Chooses the columns and widths that fit into `width` terminal cells, for these rows and the earlier ones.

        Forgets the earlier rows first if `from_scratch` is true. Returns whether a column or a width changed.
        """
        if from_scratch:
            self._needs = {}
        for key, row in rows:
            for column, parts in zip(self._columns, self.render_cells(key, row), strict=True):
                self._needs[column.key] = max(self._needs.get(column.key, 0), _content_width(parts))
        needs = dict(self._needs) or {column.key: 1 for column in self._columns}
        if needs.get(sorted_by):
            title = next((column.title for column in self._columns if column.key == sorted_by), "")
            needs[sorted_by] = max(needs[sorted_by], cell_len(title) + 1)
        placed = place_columns(self._columns, width, needs)
        changed = placed != self.placed
        self.placed = placed
        keys = [column.key for column in self._columns]
        self._placed_indexes = [keys.index(one.column.key) for one in placed]
        return changed

    def list_cut_cells(self, key: Hashable, row: RowT) -> list[tuple[str, str]]:
        """Returns the titles and whole texts of the cells that are cut, the most important first."""
        by_importance = sorted(
            zip(self.placed, self.get_cells(key, row), strict=True), key=lambda pair: -pair[0].column.priority
        )
        texts = [(placed, "".join(part.text for part in parts)) for placed, parts in by_importance]
        return [(placed.column.title, text) for placed, text in texts if cell_len(text) > placed.width]


def _content_width(parts: Sequence[StyledText]) -> int:
    text = "".join(part.text for part in parts)
    return 0 if text.strip() in _NOTHING else cell_len(text)
