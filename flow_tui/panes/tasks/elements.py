"""Formats the elements of an array: a strip of their states, their counts, and facts about them. No side effects."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from flow_core.filters.task_words import NOTABLE_FIRST
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_tui.format import GLYPHS
from flow_tui.widgets.columns import StyledText

_STRIP_CELLS = 10
_PER_ROW = 20
_PER_GROUP = 10
_ROWS_MAX = 100
_FAILED_MAX = 50


def build_state_cells(task: TaskRecord) -> list[StyledText]:
    """Returns the state of an array: how many elements have ended, and a strip of their states by index."""
    elements = task.elements
    ended = sum(element.status.is_final for element in elements)
    head = StyledText(f"{GLYPHS[task.status]} {ended}/{len(elements)} ", f"status-{task.status.value}")
    return [head, *_build_strip([element.status for element in elements])]


def collect_element_facts(task: TaskRecord) -> Iterator[tuple[str, str]]:
    """Yields the legend with the counts, the elements that failed, and rows of states with their indices."""
    counts = Counter(element.status for element in task.elements)
    yield (
        "states",
        "  ".join(f"{GLYPHS[status]} {status.value} {counts[status]}" for status in NOTABLE_FIRST if counts[status]),
    )
    yield "failed", _list_failed([one for one in task.elements if one.status is TaskStatus.FAILED])
    rows = [task.elements[first : first + _PER_ROW] for first in range(0, len(task.elements), _PER_ROW)]
    for row in rows[:_ROWS_MAX]:
        yield _format_indices(row), _format_row(row)
    if len(rows) > _ROWS_MAX:
        yield "more", f"{len(task.elements) - _ROWS_MAX * _PER_ROW:,} more elements are not shown"


def format_exit_code(code: int) -> str:
    """Formats an exit code, with the name of the signal that ended the process."""
    try:
        return f"{code} ({signal.Signals(code - 128).name})" if code > 128 else str(code)
    except ValueError:
        return str(code)


def _build_strip(states: Sequence[TaskStatus]) -> Iterator[StyledText]:
    """Yields at most `_STRIP_CELLS` characters, each for the same number of elements."""
    size = -(-len(states) // _STRIP_CELLS)
    parts = [states[first : first + size] for first in range(0, len(states), size or 1)]
    shown = [next(status for status in NOTABLE_FIRST if status in part) for part in parts]
    for status, group in groupby(shown):
        yield StyledText(GLYPHS[status] * len(list(group)), f"status-{status.value}")


def _list_failed(elements: Sequence[ArrayElement]) -> str:
    listed = [
        f"{element.index}"
        if element.exit_code is None
        else f"{element.index}: exit {format_exit_code(element.exit_code)}"
        for element in elements[:_FAILED_MAX]
    ]
    more = len(elements) - len(listed)
    return ", ".join(listed) + (f", and {more:,} more" if more else "")


def _format_indices(row: Sequence[ArrayElement]) -> str:
    first, last = row[0].index, row[-1].index
    return str(first) if first == last else f"{first}-{last}"


def _format_row(row: Sequence[ArrayElement]) -> str:
    groups = [row[first : first + _PER_GROUP] for first in range(0, len(row), _PER_GROUP)]
    return " ".join("".join(GLYPHS[element.status] for element in group) for group in groups)
