"""The columns of a table: the content of their cells, and the width of each column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich.cells import cell_len, set_cell_size

from flow_core.logs.escape import escape_controls

RowT = TypeVar("RowT")
GAP = 2
_IMPORTANT = 5
_ENDLESS = 1 << 16


@dataclass(frozen=True, slots=True)
class StyledText:
    """A text and its style: words such as `bold`, `dim` or the name of a theme variable (`error`, `status-running`)."""

    text: str
    style: str = ""


CellContent = str | StyledText | Sequence[StyledText]
"""The content of one cell of a table."""


@dataclass(frozen=True)  # without slots: they break `Column[Row](...)` on Python 3.11
class Column(Generic[RowT]):
    """A column. It is as wide as its content, unless `width` is set; it shrinks to `min_width` if room is short.

    Columns of the highest `priority` get room first: each up to `max_width`, and then for content that is wider.
    Columns of the lowest priority are omitted first, of equal ones the rightmost first. `is_volatile` is whether the
    content depends on more than the row, such as the time.
    """

    key: str
    title: str
    render: Callable[[RowT], CellContent]
    width: int | None = None
    min_width: int = 4
    max_width: int | None = None
    align: Literal["left", "right"] = "left"
    priority: int = 0
    is_volatile: bool = False
    is_private: bool = False
    """Whether the cells may contain secrets; they are never stored with the last screen."""


@dataclass(frozen=True)
class PlacedColumn(Generic[RowT]):
    """A visible column and its width."""

    column: Column[RowT]
    width: int


def place_columns(
    columns: Sequence[Column[RowT]], width: int, needs: Mapping[str, int] | None = None
) -> tuple[PlacedColumn[RowT], ...]:
    """Chooses the columns that fit into `width` terminal cells, and their widths.

    `needs` has the width of the widest content by key; 0 omits the column. Without it, all content counts as endless.
    """
    widest = {column.key: _ENDLESS if needs is None else needs.get(column.key, 0) for column in columns}
    shown = _select_columns([column for column in columns if widest[column.key]] or list(columns[:1]), width, widest)
    widths = {column.key: min(_least_width(column, widest), max(width, 1)) for column in shown}
    left = width - _total_width(widths.values())
    by_importance = sorted(shown, key=lambda column: -column.priority)
    core = [column for column in by_importance if column.priority >= _IMPORTANT]
    for columns in (core, by_importance):
        for column, is_capped in [(column, True) for column in columns] + [(column, False) for column in columns]:
            most = _most_width(column, widest, is_capped=is_capped)
            grown = min(left, max(0, most - widths[column.key]))
            widths[column.key] += grown
            left -= grown
    return tuple(PlacedColumn(column, widths[column.key]) for column in shown)


def to_styled_texts(content: CellContent) -> list[StyledText]:
    """Makes the texts of a cell printable, and drops empty ones."""
    content = StyledText(content) if isinstance(content, str) else content
    parts = [content] if isinstance(content, StyledText) else content
    return [StyledText(escape_controls(part.text), part.style) for part in parts if part.text]


def fit_content(content: CellContent, width: int, align: str) -> list[StyledText]:
    """Cuts the content of a cell with an ellipsis, or pads it, to exactly `width` terminal cells."""
    parts = to_styled_texts(content)
    used = sum(cell_len(part.text) for part in parts)
    if used > width:
        return _cut(parts, width)
    filling = [StyledText(" " * (width - used))] if used < width else []
    return filling + parts if align == "right" else parts + filling


def _cut(parts: list[StyledText], width: int) -> list[StyledText]:
    kept: list[StyledText] = []
    remaining_width = width - 1
    for part in parts:
        size = cell_len(part.text)
        if size > remaining_width:
            head = set_cell_size(part.text, remaining_width)
            split = not part.text.startswith(head)  # half of a wide character became a space
            return [*kept, StyledText(head[:-1] + "… " if split else head + "…", part.style)]
        kept.append(part)
        remaining_width -= size
    return kept


def _select_columns(columns: list[Column[RowT]], width: int, widest: Mapping[str, int]) -> list[Column[RowT]]:
    """Selects the important columns whose least width fits; others only if all important ones are wide enough."""
    core = [column for column in columns if column.priority >= _IMPORTANT] or columns
    while len(core) > 1 and _total_width(_least_width(column, widest) for column in core) > width:
        lowest = min(column.priority for column in core)
        core.remove(next(column for column in reversed(core) if column.priority == lowest))
    shown = list(core)
    used = _total_width(_most_width(column, widest, is_capped=True) for column in core)
    for column in sorted((c for c in columns if c.priority < _IMPORTANT and c not in core), key=lambda c: -c.priority):
        if used + GAP + _least_width(column, widest) > width:
            break
        shown.append(column)
        used += GAP + _most_width(column, widest, is_capped=True)
    return [column for column in columns if column in shown]


def _least_width(column: Column[RowT], widest: Mapping[str, int]) -> int:
    if column.width is not None:
        return column.width
    return min(column.min_width, max(cell_len(column.title), widest[column.key]))


def _most_width(column: Column[RowT], widest: Mapping[str, int], *, is_capped: bool) -> int:
    if column.width is not None:
        return column.width
    most = max(cell_len(column.title), widest[column.key], _least_width(column, widest))
    return min(most, column.max_width) if is_capped and column.max_width is not None else most


def _total_width(widths: Iterable[int]) -> int:
    listed = list(widths)
    return sum(listed) + GAP * (len(listed) - 1)
