"""Makes the blocks of a log in which a query is searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.raw_block import BlockBytes, make_block
from flow_core.logs.search.shown_block import ShownBlock
from flow_core.logs.shown.line import ShownLine


class MatchBlock(Protocol):
    """Whole lines in which a query is searched."""

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""

    def count(self) -> int:
        """Returns the number of matches."""


class MatchBlockFactory:
    """A factory of the blocks in which one query is searched."""

    def __init__(self, matcher: LineMatcher) -> None:
        self._matcher = matcher

    def make_raw_block(self, offset: int, data: BlockBytes, end: int) -> MatchBlock:
        return make_block(self._matcher, offset, data, end)

    def make_screen_block(self, lines: Sequence[ShownLine]) -> MatchBlock:
        return ShownBlock(self._matcher, lines)
