"""Makes the blocks of a log in which a query is searched."""

from __future__ import annotations

from collections.abc import Sequence

from flow_core.logs.search.ascii_block import AsciiBlock
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.raw_block import BlockBytes, RawBlock, make_block
from flow_core.logs.search.shown_block import ShownBlock
from flow_core.logs.shown.line import ShownLine

MatchBlock = AsciiBlock | RawBlock | ShownBlock


class MatchBlocks:
    """The factory of the blocks for one query."""

    def __init__(self, matcher: LineMatcher) -> None:
        self._matcher = matcher

    def make_raw(self, offset: int, data: BlockBytes, end: int) -> MatchBlock:
        return make_block(self._matcher, offset, data, end)

    def make_shown(self, lines: Sequence[ShownLine]) -> MatchBlock:
        return ShownBlock(self._matcher, lines)
