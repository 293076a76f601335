"""A row of a terminal without a right edge: text that is written, overwritten, moved and erased by columns."""

from __future__ import annotations

from itertools import groupby, repeat

from flow_core.logs.shown.characters import get_width, is_one_column_each, make_safe
from flow_core.logs.shown.line import Runs
from flow_core.logs.text_style import PLAIN, TextStyle

_Cells = list[tuple[str, TextStyle]]
_JOINER = "\u200d"
"""Joins two emoji. Between other characters it shows nothing, and programs disagree on its width."""


class Row:
    """The content of one row.

    A row that was only appended to, or whose characters take one column each, is kept as runs of equal style.
    Otherwise it is kept as cells: a wide character takes two cells, and its second one is empty.
    """

    __slots__ = ("_cells", "_runs", "width", "written_at")

    def __init__(self, text: str = "", style: TextStyle = PLAIN, written_at: int = 0) -> None:
        self._runs: list[tuple[str, TextStyle]] = [(text, style)] if text else []
        self._cells: _Cells | None = None
        self.width = len(text)
        self.written_at = written_at

    @classmethod
    def from_runs(cls, runs: list[tuple[str, TextStyle]], width: int, written_at: int) -> Row:
        """Returns a row of runs that are not empty, whose characters take one column each."""
        row = cls(written_at=written_at)
        row._runs, row.width = runs, width
        return row

    def copy(self) -> Row:
        """Returns a copy that changes on its own."""
        twin = Row(written_at=self.written_at)
        twin._runs = self._runs.copy()
        twin._cells = None if self._cells is None else self._cells.copy()
        twin.width = self.width
        return twin

    def to_runs(self) -> Runs:
        """Returns the row as runs of equal style. Omits blanks at its end, which nobody can see."""
        if self._cells is None:
            runs = tuple(self._runs)
        else:
            runs = tuple(
                ("".join(char for char, _ in cells), style)
                for style, cells in groupby(self._cells, key=lambda cell: cell[1])
            )
        while runs and runs[-1][1] == PLAIN and runs[-1][0].endswith(" "):
            text = runs[-1][0].rstrip(" ")
            runs = (*runs[:-1], (text, PLAIN)) if text else runs[:-1]
        return runs

    def write(self, column: int, text: str, style: TextStyle) -> int:
        """Writes text at a column over what is there. Returns the column after it."""
        if self._cells is None and (text.isascii() or is_one_column_each(text)):
            return self._write_run(column, text, style)
        return self._write_cells(column, text, style)

    def clear(self) -> None:
        """Erases the whole row."""
        self._runs, self._cells, self.width = [], None, 0

    def clip(self, column: int) -> None:
        """Erases the row from a column on."""
        if column < self.width:
            self._replace(column, self.width, "", PLAIN)

    def blank(self, start: int, end: int) -> None:
        """Replaces the columns of a range by blanks, as far as the row reaches."""
        end = min(end, self.width)
        if start < end:
            self._replace(start, end, " " * (end - start), PLAIN)

    def delete(self, column: int, count: int) -> None:
        """Removes columns; what follows moves to the left."""
        if column < self.width:
            self._replace(column, min(self.width, column + count), "", PLAIN)

    def insert(self, column: int, count: int) -> None:
        """Inserts blanks; what follows moves to the right."""
        if column < self.width:
            self._replace(column, column, " " * count, PLAIN)

    def _write_run(self, column: int, text: str, style: TextStyle) -> int:
        end = column + len(text)
        if column == self.width:
            if not self.width:
                self._runs, self.width = [(text, style)], end
                return end
            self._append(text, style)
        elif column == 0 and end >= self.width:
            self._runs, self.width = [(text, style)], end
        elif column > self.width:
            self._append(" " * (column - self.width), PLAIN)
            self._append(text, style)
        else:
            self._replace(column, min(end, self.width), text, style)
        return end

    def _append(self, text: str, style: TextStyle) -> None:
        if self._runs and self._runs[-1][1] == style:
            self._runs[-1] = (self._runs[-1][0] + text, style)
        else:
            self._runs.append((text, style))
        self.width += len(text)

    def _replace(self, start: int, end: int, text: str, style: TextStyle) -> None:
        """Replaces the columns from `start` to `end` by text whose characters take one column each."""
        if self._cells is not None:
            self._blank_halves(start, end)
            self._cells[start:end] = zip(text, repeat(style))
            self.width = len(self._cells)
            return
        left, right = _split_runs(self._runs, start)[0], _split_runs(self._runs, end)[1]
        self._runs = left
        self.width = start
        if text:
            self._append(text, style)
        for run_text, run_style in right:
            self._append(run_text, run_style)

    def _write_cells(self, column: int, text: str, style: TextStyle) -> int:
        cells = self._make_cells()
        if column > len(cells):
            cells.extend(repeat((" ", PLAIN), column - len(cells)))
        for char in text:
            if not (shown := make_safe(char)):
                continue
            if width := get_width(shown):
                self._blank_halves(column, column + width)
                cells[column : column + width] = [(shown, style), ("", style)][:width]
                column += width
            elif column and (shown != _JOINER or not cells[column - 1][0]):
                self._combine(column - 1, shown)
        self.width = len(cells)
        return column

    def _make_cells(self) -> _Cells:
        if self._cells is None:
            self._cells = [(char, style) for text, style in self._runs for char in text]
            self._runs = []
        return self._cells

    def _combine(self, column: int, char: str) -> None:
        cells = self._make_cells()
        while column > 0 and not cells[column][0]:
            column -= 1
        base, style = cells[column]
        if len(base) < 32:  # a limit for text that consists of combining characters
            cells[column] = (base + char, style)

    def _blank_halves(self, start: int, end: int) -> None:
        """Replaces the remaining half of a wide character by a blank when its other half is overwritten."""
        cells = self._make_cells()
        if 0 < start < len(cells) and not cells[start][0]:
            cells[start - 1] = (" ", cells[start - 1][1])
            cells[start] = (" ", cells[start][1])
        if end < len(cells) and not cells[end][0]:
            cells[end] = (" ", cells[end][1])


def _split_runs(
    runs: list[tuple[str, TextStyle]], column: int
) -> tuple[list[tuple[str, TextStyle]], list[tuple[str, TextStyle]]]:
    """Splits runs of one-column characters before a column."""
    for index, (text, style) in enumerate(runs):
        if column < len(text):
            left = [*runs[:index], (text[:column], style)] if column else runs[:index]
            return left, [(text[column:], style), *runs[index + 1 :]]
        column -= len(text)
    return list(runs), []
