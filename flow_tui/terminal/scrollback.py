"""The rows that scrolled off the top of the screen, limited by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from rich.cells import set_cell_size

from flow_core.logs.text_style import PLAIN
from flow_tui.terminal.core import Run

# The memory that CPython needs for a row's tuple, and for a run with its string; measured, rounded up.
_ROW_BYTES = 64
_RUN_BYTES = 160


class Scrollback:
    """Rows, oldest first. When the width changes, rows are cut and not wrapped again."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rows: deque[tuple[tuple[Run, ...], bool]] = deque()
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Run, ...]:
        return self._rows[index][0]

    def slice(self, first: int, last: int) -> Iterator[tuple[tuple[Run, ...], bool]]:
        """Returns the rows from `first` up to but without `last`, each with whether it wraps into the next one."""
        return islice(self._rows, first, last)

    def append(self, row: tuple[Run, ...], *, wraps: bool = False) -> None:
        """Appends a row without its trailing blanks."""
        trimmed = _strip_trailing_blanks(row)
        self._rows.append((trimmed, wraps))
        self._bytes += _measure(trimmed)
        while self._bytes > self._max_bytes:
            self._bytes -= _measure(self._rows.popleft()[0])
            self.dropped += 1

    def clear(self) -> None:
        self.dropped += len(self._rows)
        self._rows.clear()
        self._bytes = 0


def _measure(row: tuple[Run, ...]) -> int:
    return _ROW_BYTES + sum(_RUN_BYTES + len(run.text) * (1 if run.text.isascii() else 4) for run in row)


def _strip_trailing_blanks(row: tuple[Run, ...]) -> tuple[Run, ...]:
    if not row or row[-1].style != PLAIN:
        return row
    last = row[-1]
    text = last.text.rstrip(" ")
    if not text:
        return row[:-1]
    return (*row[:-1], Run(text, PLAIN, last.width - len(last.text) + len(text)))


def cut_row(row: tuple[Run, ...], cols: int) -> tuple[Run, ...]:
    """Cuts or pads the row to exactly `cols` columns."""
    left = cols
    runs: list[Run] = []
    for run in row:
        if run.width > left:
            run = _cut_run(run, left)
        runs.append(run)
        left -= run.width
        if not left:
            break
    if left:
        runs.append(Run(" " * left, PLAIN, left))
    return tuple(runs)


def _cut_run(run: Run, width: int) -> Run:
    return Run(set_cell_size(run.text, width), run.style, width)
