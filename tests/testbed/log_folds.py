"""The folds of lines that are all there."""

from __future__ import annotations

from collections.abc import Iterable

from flow_core.logs.analysis.folds import Fold, FoldFinder
from flow_core.logs.analysis.text_line import TextLine


def find_folds(lines: Iterable[TextLine]) -> list[Fold]:
    """In the order of their first lines."""
    finder = FoldFinder()
    folds = [fold for line in lines for fold in finder.feed(line)]
    return sorted(folds + finder.finish(), key=lambda fold: fold.offsets[0])
