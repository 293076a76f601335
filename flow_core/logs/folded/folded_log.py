"""The lines of a log with tracebacks and dumps folded to their first line and their summary."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.analysis.fold_grammar import FoldKind
from flow_core.logs.folded.fold_region import FoldRegion
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.log_lines import LogLines

_STEP = 500
_MOST_STEPS = 12


@dataclass(frozen=True, slots=True)
class LineFold:
    """The fold of a line. `first` and `last` are the offsets of the lines that are always shown.

    `hidden` is the number of the others, which are shown if it is open.
    """

    kind: FoldKind
    first: int
    last: int
    hidden: int
    is_open: bool

    @property
    def note(self) -> str:
        """The text to show after the first line."""
        return "" if self.is_open else f"{self.hidden:,} lines folded"


class FoldedLog:
    """A view of `lines`, which it owns. Folds are found 250 lines around what is read, and opened one by one.

    A call reads a bounded number of lines. Lines of other processes between those of a fold stay. If lines can appear
    anywhere and not at the end only, as those of a filter do, `grows_anywhere` must be true.
    """

    def __init__(self, lines: LogLines, *, grows_anywhere: bool = False) -> None:
        self._lines = lines
        self._grows_anywhere = grows_anywhere
        self._region: FoldRegion | None = None
        self._folds: dict[int, LineFold] = {}
        """By the offset of each of their lines."""
        self._known: tuple[FoldRegion | None, int] = (None, 0)
        self._opened: set[int] = set()
        self._size = 0

    @property
    def size(self) -> int:
        """The size of the log when it was last checked."""
        return self._lines.size

    def refresh(self) -> bool:
        """Checks the log again; returns whether it has changed."""
        has_changed = self._lines.refresh()
        if self._lines.size < self._size:
            self._opened.clear()
        if self._lines.size < self._size or (has_changed and self._grows_anywhere):
            self._region = None
        self._size = self._lines.size
        return has_changed

    def close(self) -> None:
        """Releases the log. Calling it again is safe."""
        self._lines.close()
        self._region = None
        self._folds = {}

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains `offset`, or else the next one that is not folded; None at the end."""
        lines = self.lines_from(offset, 1)
        return lines[0] if lines else None

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them as `line_at` does."""
        found: list[ShownLine] = []
        position, step = offset, max(1, count)
        for _ in range(_MOST_STEPS):
            lines = self._lines.lines_from(position, step)
            found += self._leave_out(lines)
            if len(found) >= count or len(lines) < step:
                break
            position, step = max(lines[-1].end, lines[-1].offset + 1), _STEP
        return found[:count]

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""
        found: list[ShownLine] = []
        position, step = offset, max(1, count)
        for _ in range(_MOST_STEPS):
            lines = self._lines.lines_before(position, step)
            found[:0] = self._leave_out(lines)
            if len(found) >= count or len(lines) < step:
                break
            position, step = lines[0].offset, _STEP
        return found[max(0, len(found) - count) :]

    def find_fold(self, offset: int) -> LineFold | None:
        """Returns the fold of the line at `offset`, which this object has given; None if it is in none."""
        return self._folds.get(offset)

    def toggle(self, offset: int) -> bool:
        """Opens or closes the fold of the line at `offset`. Returns whether there is one."""
        fold = self._look_up(offset)
        if fold is not None:
            self._opened ^= {fold.first}
            self._forget_states()
        return fold is not None

    def reveal(self, offset: int) -> None:
        """Opens the fold that hides the line at `offset`, if one does."""
        fold = self._look_up(offset)
        if fold is not None and not fold.is_open and offset not in (fold.first, fold.last):
            self._opened.add(fold.first)
            self._forget_states()

    def _look_up(self, offset: int) -> LineFold | None:
        line = self._lines.line_at(offset)
        if line is None:
            return None
        self._update_folds(line, line)
        return self._folds.get(line.offset)

    def _leave_out(self, lines: list[ShownLine]) -> list[ShownLine]:
        if not lines:
            return []
        self._update_folds(lines[0], lines[-1])
        return [line for line in lines if not self._is_hidden(line.offset)]

    def _is_hidden(self, offset: int) -> bool:
        fold = self._folds.get(offset)
        return fold is not None and not fold.is_open and offset not in (fold.first, fold.last)

    def _update_folds(self, first: ShownLine, last: ShownLine) -> None:
        """Sets `_folds` to those of a range of lines."""
        if self._region is None or not self._region.covers(first.offset):
            self._region = FoldRegion(self._lines, first.offset)
        region = self._region
        region.extend(last.offset)
        if self._known == (region, region.version):
            return
        self._known = (region, region.version)
        self._folds = {}
        for fold in region.folds:
            end = fold.summary if fold.summary != fold.offsets[0] else fold.offsets[-1]
            is_open = fold.offsets[0] in self._opened
            state = LineFold(fold.kind, fold.offsets[0], end, len(fold.offsets) - 2, is_open)
            self._folds.update(dict.fromkeys(fold.offsets, state))

    def _forget_states(self) -> None:
        self._known = (None, 0)
