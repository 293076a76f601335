"""The matches in lines that a terminal's screen showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.shown.line import ShownLine


class ShownBlock:
    """Lines of a shown log."""

    def __init__(self, matcher: LineMatcher, lines: Sequence[ShownLine]) -> None:
        self._matcher = matcher
        self._lines = lines

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""
        for line in self._lines:
            for start, end in self._matcher.iter_spans(line.text):
                yield FoundMatch(line.offset, start, end)

    def count(self) -> int:
        return sum(self._matcher.count(line.text) for line in self._lines)
