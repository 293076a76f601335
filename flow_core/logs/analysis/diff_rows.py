"""The rows of a comparison of two logs. Stretches of equal lines are folded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flow_core.logs.analysis.line_diff import DiffKind, LinePair

SAME, CHANGED, LEFT, RIGHT, FOLDED = "=", "|", "<", ">", "~"
_SIGNS = {
    DiffKind.SAME: SAME,
    DiffKind.CHANGED: CHANGED,
    DiffKind.ONLY_LEFT: LEFT,
    DiffKind.ONLY_RIGHT: RIGHT,
}
_CONTEXT = 3
"""Equal lines that stay before and after each difference."""


class DiffRow(NamedTuple):
    """A line of each log, or of one, or `lines` folded lines of each, of which it has the first ones.

    The offsets identify the lines; one is -1 where a log has no line.
    """

    sign: str
    left: int
    right: int
    left_text: str = ""
    right_text: str = ""
    lines: int = 1

    @property
    def is_difference(self) -> bool:
        return self.sign not in (SAME, FOLDED)


def fold_pairs(pairs: Iterable[LinePair]) -> Iterator[DiffRow]:
    """Yields a row for each pair near a difference, and one for each stretch of equal lines between them."""
    folded: DiffRow | None = None
    held: deque[DiffRow] = deque()
    shown_after = 0
    for row in map(_to_row, pairs):
        if row.is_difference:
            if folded is not None:
                yield folded
            yield from held
            yield row
            folded, shown_after = None, _CONTEXT
            held.clear()
        elif shown_after:
            shown_after -= 1
            yield row
        else:
            held.append(row)
            if len(held) > _CONTEXT:
                folded = _fold(folded, held.popleft())
    for row in held:
        folded = _fold(folded, row)
    if folded is not None:
        yield folded


def _to_row(pair: LinePair) -> DiffRow:
    left, right = pair.left, pair.right
    return DiffRow(
        _SIGNS[pair.kind],
        -1 if left is None else left.offset,
        -1 if right is None else right.offset,
        "" if left is None else left.text,
        "" if right is None else right.text,
    )


def _fold(folded: DiffRow | None, row: DiffRow) -> DiffRow:
    return row._replace(sign=FOLDED) if folded is None else folded._replace(lines=folded.lines + 1)
