"""Finds tracebacks and dumps in a log, so that each can be folded to its first line and its summary."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.analysis.fold_grammar import FoldKind, find_beginning, is_stack_line
from flow_core.logs.analysis.line_prefix import split_prefix
from flow_core.logs.analysis.open_fold import OpenFold, Role, begin_fold
from flow_core.logs.analysis.text_line import TextLine

LOOK_AROUND = 500
"""Lines to pass before and after those of interest: a fold that begins earlier is not found."""
_SHORTEST = 3
_MOST_LINES = 5000
_MOST_OPEN = 64
_LONGEST_TEXT = 2000
"""The rest of a line does not matter."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Lines that belong together. Lines of other processes may stand between them.

    `offsets` are those of its lines, in order; `summary` is one of them, the exception line of a traceback.
    """

    kind: FoldKind
    offsets: tuple[int, ...]
    summary: int


class FoldFinder:
    """Finds folds line by line. Each process (`[rank2]: `, `(EngineCore pid=1) `) may have one open at a time.

    Holds the offsets of at most 64 open folds of 5,000 lines each.
    """

    def __init__(self) -> None:
        self._open: dict[str, OpenFold] = {}
        self._last: tuple[str, TextLine] | None = None
        self._count = 0

    def feed(self, line: TextLine) -> list[Fold]:
        """Reads the next line. Returns the folds that ended before it."""
        text = line.text[:_LONGEST_TEXT]
        prefix = split_prefix(text)
        body, source = text[prefix.end :], prefix.source.rstrip()
        is_nccl = prefix.level_letter == "E" and "ProcessGroupNCCL" in text[: prefix.end]
        self._count += 1
        ended = self._continue(line, body, source, is_nccl)
        previous, self._last = self._last, (source, line)
        if ended is None:
            return []
        if kind := find_beginning(body, is_nccl=is_nccl):
            before = previous[1] if previous is not None and previous[0] == source else None
            ended += self._begin(kind, source, line, body, before)
        return ended

    def finish(self) -> list[Fold]:
        """Returns the folds that are still open."""
        open_folds, self._open = self._open, {}
        return [fold for one in open_folds.values() for fold in _to_folds(one)]

    def _continue(self, line: TextLine, body: str, source: str, is_nccl: bool) -> list[Fold] | None:
        """Gives the line to the open fold of its source. Returns None if the line can't begin another one."""
        open_fold = self._open.get(source) or self._find_dump(source, body)
        if open_fold is None:
            return []
        is_lost = self._count - open_fold.last_count > LOOK_AROUND or len(open_fold.offsets) >= _MOST_LINES
        role = Role.OUTSIDE if is_lost else open_fold.feed(line, body, is_nccl)
        if role is Role.STRAY:
            return []
        if role is Role.INSIDE:
            open_fold.last_count = self._count
            return None
        self._open.pop(open_fold.source, None)
        return _to_folds(open_fold)

    def _find_dump(self, source: str, body: str) -> OpenFold | None:
        """Returns the dump of a rank that this line continues: C++ writes its frames without the rank."""
        if source or not self._open:
            return None
        dumps = [one for one in self._open.values() if one.kind is FoldKind.NCCL_DUMP]
        last = max(dumps, key=lambda one: one.last_count, default=None)
        if last is None or not (is_stack_line(body) or (not body.strip() and last.last_count == self._count - 1)):
            return None
        return last

    def _begin(self, kind: FoldKind, source: str, line: TextLine, body: str, before: TextLine | None) -> list[Fold]:
        evicted: list[Fold] = []
        if len(self._open) >= _MOST_OPEN:
            oldest = min(self._open.values(), key=lambda one: one.last_count)
            evicted = _to_folds(self._open.pop(oldest.source))
        first = before if kind is FoldKind.JAVA_TRACE and before is not None else line
        self._open[source] = opened = begin_fold(kind, source, first, body)
        if first is not line:
            opened.feed(line, body, False)
        opened.last_count = self._count
        return evicted


def _to_folds(open_fold: OpenFold) -> list[Fold]:
    if len(open_fold.offsets) < _SHORTEST:
        return []
    return [Fold(open_fold.kind, tuple(open_fold.offsets), open_fold.summary)]
