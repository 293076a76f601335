"""Columns of a table: how a row becomes cells, and how much room each column gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich.cells import cell_len, set_cell_size

from flow_core.logs.visible import visible

RowT = TypeVar("RowT")
GAP = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """Text and its look: words such as `bold`, `dim` or the name of a theme variable (`error`, `status-running`)."""

    text: str
    style: str = ""


Cells = str | Cell | Sequence[Cell]


@dataclass(frozen=True)  # without slots: they break `Column[Row](...)` on Python 3.11
class Column(Generic[RowT]):
    """One column. `width` fixes it; else it has `min_width` and a share by `flex` of what is left, up to `max_width`.

    Where room is short, columns of the lowest `priority` are left out first, the rightmost of equals before others.
    """

    key: str
    title: str
    render: Callable[[RowT], Cells]
    width: int | None = None
    min_width: int = 4
    max_width: int | None = None
    flex: int = 1
    align: Literal["left", "right"] = "left"
    priority: int = 0

    @property
    def least(self) -> int:
        return self.min_width if self.width is None else self.width


@dataclass(frozen=True)
class Placed(Generic[RowT]):
    """A column that is shown, and its width."""

    column: Column[RowT]
    width: int


def place(columns: Sequence[Column[RowT]], room: int) -> tuple[Placed[RowT], ...]:
    """The columns that fit side by side into `room` cells, with their widths."""
    shown = list(columns)
    while len(shown) > 1 and _least(shown) > room:
        lowest = min(column.priority for column in shown)
        shown.remove(next(column for column in reversed(shown) if column.priority == lowest))
    widths = [min(column.least, max(room, 1)) for column in shown]
    _share(shown, widths, room - sum(widths) - GAP * (len(shown) - 1))
    return tuple(Placed(column, width) for column, width in zip(shown, widths, strict=True))


def fit(cells: Cells, width: int, align: str) -> list[Cell]:
    """The cells in exactly `width` terminal cells: cut with an ellipsis, or filled up."""
    parts = [Cell(cells)] if isinstance(cells, str) else [cells] if isinstance(cells, Cell) else list(cells)
    parts = [Cell(visible(part.text), part.style) for part in parts if part.text]
    used = sum(cell_len(part.text) for part in parts)
    if used > width:
        return _cut(parts, width)
    filling = [Cell(" " * (width - used))] if used < width else []
    return filling + parts if align == "right" else parts + filling


def _cut(parts: list[Cell], width: int) -> list[Cell]:
    kept: list[Cell] = []
    room = width - 1
    for part in parts:
        size = cell_len(part.text)
        if size > room:
            head = set_cell_size(part.text, room)
            split = not part.text.startswith(head)  # half of a wide character became a space
            return [*kept, Cell(head[:-1] + "… " if split else head + "…", part.style)]
        kept.append(part)
        room -= size
    return kept


def _least(columns: Sequence[Column[RowT]]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)


def _share(columns: Sequence[Column[RowT]], widths: list[int], left: int) -> None:
    """Gives what is left to the flexible columns, cell by cell in proportion, until all are at their limit."""
    while left > 0:
        growing = [i for i, column in enumerate(columns) if _may_grow(column, widths[i])]
        if not growing:
            return
        total = sum(columns[i].flex for i in growing)
        for i in growing:
            limit = columns[i].max_width
            wanted = max(1, left * columns[i].flex // total)
            grown = min(wanted, left, (limit - widths[i]) if limit is not None else left)
            widths[i] += grown
            left -= grown


def _may_grow(column: Column[RowT], width: int) -> bool:
    return column.width is None and column.flex > 0 and (column.max_width is None or width < column.max_width)
