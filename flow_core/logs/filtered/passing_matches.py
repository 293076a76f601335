"""The matches of a query in the lines that pass filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flow_core.logs.filtered.line_block import LineBlock, LineBlockFactory
from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.match_blocks import MatchBlock, MatchBlockFactory
from flow_core.logs.search.raw_block import BlockBytes
from flow_core.logs.shown.line import ShownLine


class PassingMatches:
    """The matches in the lines of a block that pass. The filters test only lines with a match."""

    def __init__(self, matches: MatchBlock, lines: LineBlock, selector: LineSelector) -> None:
        self._matches = matches
        self._lines = lines
        self._selector = selector

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""
        tested, passes = -1, False
        for found in self._matches.iter_matches():
            if found.offset != tested:
                tested, passes = found.offset, self._selector.passes(self._lines.get_text(found.offset))
            if passes:
                yield found

    def count(self) -> int:
        return sum(1 for _ in self.iter_matches())


class PassingBlocks:
    """The factory of these blocks."""

    def __init__(self, matcher: LineMatcher, selector: LineSelector) -> None:
        self._matches, self._lines, self._selector = MatchBlockFactory(matcher), LineBlockFactory(), selector

    def make_raw_block(self, offset: int, data: BlockBytes, end: int) -> MatchBlock:
        matches, lines = self._matches.make_raw_block(offset, data, end), self._lines.make_raw_block(offset, data, end)
        return PassingMatches(matches, lines, self._selector)

    def make_screen_block(self, lines: Sequence[ShownLine]) -> MatchBlock:
        return PassingMatches(
            self._matches.make_screen_block(lines), self._lines.make_screen_block(lines), self._selector
        )
