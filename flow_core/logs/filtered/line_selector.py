"""Selects the lines of a block that pass all filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from flow_core.logs.filtered.line_block import LineBlock, RawLines
from flow_core.logs.filtered.line_filter import LeastLevel
from flow_core.logs.filtered.pattern_matcher import PatternMatcher

_BYTES_PER_LINE = 2048


class BlockMatcher(Protocol):
    """A matcher of the lines that one filter describes."""

    def matches(self, text: str) -> bool:
        """Returns whether it finds this line."""

    def find(self, block: LineBlock) -> list[int]:
        """Returns the offsets of the lines that it finds, in order."""


class LineSelector:
    """The filters of a view, as `LogFilters.to_json` describes them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.context: int = settings["context"]
        matchers = [(_make_matcher(one), bool(one["hides"])) for one in settings["filters"]]
        self._keeps: list[BlockMatcher] = [matcher for matcher, hides in matchers if not hides]
        self._hides: list[BlockMatcher] = [matcher for matcher, hides in matchers if hides]

    def passes(self, text: str) -> bool:
        """Returns whether a line with this text passes."""
        is_kept = not self._keeps or any(matcher.matches(text) for matcher in self._keeps)
        return is_kept and not self._is_hidden(text)

    def select(self, block: LineBlock) -> list[int]:
        """Returns the offsets of the lines that pass, in order."""
        if not self._keeps:
            return self.list_visible(block)
        found = _merge([matcher.find(block) for matcher in self._keeps])
        if not found or not self._hides:
            return found
        if isinstance(block, RawLines) and len(found) > len(block.raw) // _BYTES_PER_LINE:
            hidden = {start for matcher in self._hides for start in matcher.find(block)}
            return [start for start in found if start not in hidden]
        return [start for start in found if not self._is_hidden(block.get_text(start))]

    def list_visible(self, block: LineBlock) -> list[int]:
        """Returns the offsets of the lines that no filter hides."""
        hidden = {start for matcher in self._hides for start in matcher.find(block)}
        return [start for start in block.starts if start not in hidden] if hidden else block.starts

    def _is_hidden(self, text: str) -> bool:
        return any(matcher.matches(text) for matcher in self._hides)


def _make_matcher(one: dict[str, Any]) -> BlockMatcher:
    if "level" not in one:
        return PatternMatcher(one["source"], ignores_case=one["ignores_case"])
    # Its patterns take 20 ms to compile; most children don't need them.
    from flow_core.logs.filtered.level_matcher import LevelMatcher

    return LevelMatcher(LeastLevel(one["level"]))


def _merge(found: Sequence[list[int]]) -> list[int]:
    return found[0] if len(found) == 1 else sorted({start for starts in found for start in starts})
