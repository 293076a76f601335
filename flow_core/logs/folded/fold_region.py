"""The tracebacks and dumps in a part of a log, which grows at its end as a view needs more of it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from flow_core.logs.analysis.folds import Fold, FoldFinder
from flow_core.logs.analysis.text_line import TextLine
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.log_lines import LogLines

_AROUND = 250
"""Lines to read before and after those that are looked up."""
_SPARE = 150
_STEP = _AROUND + _SPARE
_MOST_LINES = 10_000
_MAY_CHANGE = 300
"""More than the rows of a screen, which are the lines that later output can change."""


class FoldRegion:
    """The folds of the lines from 400 before `offset` on. A fold that begins over 250 lines before a line is missed."""

    def __init__(self, lines: LogLines, offset: int) -> None:
        self._lines = lines
        before = lines.lines_before(offset, _STEP)
        self._valid_from = 0 if len(before) < _STEP else before[_AROUND].offset
        self._finder = FoldFinder()
        self._folds: list[Fold] = []
        self._offsets: list[int] = []
        self._until = before[0].offset if before else offset
        """Where the lines begin that the finder has not received."""
        self._rest: Sequence[ShownLine] = ()
        """The lines from there on that were read; they may still change."""
        self._is_at_end = False
        self._size = -1
        self._end = offset
        self.folds: list[Fold] = []
        self.version = 0
        """Grows when `folds` changes."""

    def covers(self, offset: int) -> bool:
        """Returns whether the line at this offset may be looked up, after `extend`."""
        return self._valid_from <= offset <= self._end and len(self._offsets) <= _MOST_LINES

    def extend(self, offset: int) -> None:
        """Reads as much as is needed to look up the lines up to the one at `offset`."""
        if self._size == self._lines.size and (self._is_at_end or self._count_after(offset) >= _AROUND):
            return
        self._size, self._is_at_end = self._lines.size, False
        while not self._is_at_end and len(self._offsets) <= _MOST_LINES:
            lines = self._lines.lines_from(self._until, _STEP)
            lines = [line for line in lines if line.offset >= self._until]
            self._is_at_end = len(lines) < _STEP
            settled = max(0, len(lines) - _MAY_CHANGE)
            while settled < len(lines) and lines[settled].is_final:
                settled += 1
            self._add_lines(lines[:settled])
            self._rest = lines[settled:]
            self._end = lines[-1].end if lines else self._until
            if self._count_after(offset) >= _AROUND:
                break
        self.folds = self._folds + self._find_open()
        self.version += 1

    def _add_lines(self, lines: Sequence[ShownLine]) -> None:
        for line in lines:
            self._folds += self._finder.feed(TextLine(line.offset, line.text))
            self._offsets.append(line.offset)
        if lines:
            self._until = lines[-1].end

    def _find_open(self) -> list[Fold]:
        """Returns the folds that end in the rest, or are not at their end yet."""
        finder = deepcopy(self._finder)
        folds = [fold for line in self._rest for fold in finder.feed(TextLine(line.offset, line.text))]
        return folds + finder.finish()

    def _count_after(self, offset: int) -> int:
        """Returns how many lines after `offset` were read, up to `_AROUND`."""
        recent = [*self._offsets[-_AROUND:], *(line.offset for line in self._rest)]
        return sum(1 for other in recent if other > offset)
