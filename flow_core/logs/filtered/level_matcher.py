"""Finds the lines of a level in blocks of a log: a pattern finds the few lines that need a closer look."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flow_core.logs.analysis.error_pattern import ERROR_PATTERN
from flow_core.logs.analysis.levels import LogLevel, find_level
from flow_core.logs.filtered.line_block import LineBlock, RawLines
from flow_core.logs.filtered.line_filter import LeastLevel

_WARNING_PATTERNS = (r"W(?:ARN|arn|\d{3,4} |[ \]])|warn", r"[:=](?<=[ely\"'][:=]) ?[\"']?40\b")
"""Several short patterns are faster than one with all alternatives."""
_PHRASES = (b"' panicked", b"terminate called")
"""Beginnings of errors that are too frequent as letters to be in the pattern."""
_LEVELS = {
    LeastLevel.ERROR: (LogLevel.ERROR, LogLevel.CRITICAL),
    LeastLevel.WARNING: (LogLevel.ERROR, LogLevel.CRITICAL, LogLevel.WARNING),
}


class LevelMatcher:
    """A matcher of the lines of a level or a more serious one. The first line of a traceback is an error."""

    def __init__(self, least: LeastLevel) -> None:
        sources = [ERROR_PATTERN, *(_WARNING_PATTERNS if least is LeastLevel.WARNING else ())]
        # A terminal ends lines with CR LF.
        self._patterns = [re.compile(one.replace("$", r"(?=\r?$)").encode(), re.MULTILINE) for one in sources]
        self._levels = _LEVELS[least]

    def matches(self, text: str) -> bool:
        return find_level(text) in self._levels

    def find(self, block: LineBlock) -> list[int]:
        """Returns the offsets of these lines, in order."""
        if not isinstance(block, RawLines):
            return [start for start, text in zip(block.starts, block.texts, strict=True) if self.matches(text)]
        starts = set(_iter_phrases(block.raw))
        for pattern in self._patterns:
            starts.update(_iter_lines(pattern, block.raw))
        found = (block.offset + start for start in sorted(starts))
        return [offset for offset in found if self.matches(block.get_text(offset))]


def _iter_lines(pattern: re.Pattern[bytes], raw: bytes) -> Iterator[int]:
    """Yields the starts of the lines in which a pattern occurs."""
    position = 0
    while found := pattern.search(raw, position):
        yield raw.rfind(b"\n", 0, found.start()) + 1
        if not (position := raw.find(b"\n", found.start()) + 1):
            return


def _iter_phrases(raw: bytes) -> Iterator[int]:
    for phrase in _PHRASES:
        position = raw.find(phrase)
        while position >= 0:
            yield raw.rfind(b"\n", 0, position) + 1
            position = raw.find(phrase, position + len(phrase))
