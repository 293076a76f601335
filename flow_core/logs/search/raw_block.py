"""The matches in a block of whole lines none of which changes another line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from flow_core.logs.search.ascii_block import AsciiBlock
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.shown_text import to_shown_line, to_shown_text
from flow_core.logs.shown.controls import PLAIN_BYTES

_ESCAPE, _RETURN, _NEWLINE, _TAB = b"\x1b\r\n\t"
_CONTROLS = frozenset((*range(0x20), 0x7F)) - {_ESCAPE, _RETURN, _NEWLINE, _TAB}
_HARD = {
    _ESCAPE: re.compile(rb"\x1b(?!\[[0-9;:]*m)"),
    _RETURN: re.compile(rb"\r(?!\n)"),
    0xC2: re.compile(rb"\xc2[\x80-\x9f\xad]"),
    0xD8: re.compile(rb"\xd8\x9c"),
    0xE2: re.compile(rb"\xe2(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa0-\xaf])"),
    0xEF: re.compile(rb"\xef(?:\xbb\xbf|\xbf[\xb9-\xbb])"),
    **{code: re.compile(re.escape(bytes((code,)))) for code in _CONTROLS},
}
"""By their first byte: sequences at which the text that is shown may differ from the bytes by more than colours."""

_OTHER_CASES = (b"\xc5\xbf", b"\xe2\x84\xaa", b"\xc4\xb0", b"\xc4\xb1")
"""Letters that ignoring case makes equal to s, K and i."""

_BYTES_PER_CANDIDATE = 1024


def make_block(matcher: LineMatcher, offset: int, raw: bytes) -> AsciiBlock | RawBlock:
    """Returns a block of whole lines at `offset`, of which the last one may lack its newline."""
    kinds = frozenset(raw.translate(None, PLAIN_BYTES))
    if kinds or (matcher.sees_line_ends and (b" \n" in raw or raw.endswith(b" "))):
        return RawBlock(matcher, offset, raw, kinds)
    return AsciiBlock(matcher, offset, raw)


class RawBlock:
    """Lines with colours, controls, blanks at their ends, or other characters than ASCII.

    `kinds` are the bytes that are not printable ASCII.
    """

    def __init__(self, matcher: LineMatcher, offset: int, raw: bytes, kinds: frozenset[int]) -> None:
        self._matcher = matcher
        self._offset = offset
        self._raw = raw
        self._kinds = kinds

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""
        candidates = self._find_candidate_lines()
        return self._iter_in_text() if candidates is None else self._iter_in_lines(candidates)

    def count(self) -> int:
        count, candidates = self._matcher.count, self._find_candidate_lines()
        if candidates is None:
            return count(to_shown_text(self._raw))
        return sum(count(to_shown_line(self._raw[start : self._line_end(start)])) for start in candidates)

    def _iter_in_lines(self, starts: list[int]) -> Iterator[FoundMatch]:
        for start in starts:
            text = to_shown_line(self._raw[start : self._line_end(start)])
            for first, last in self._matcher.iter_spans(text):
                yield FoundMatch(self._offset + start, first, last)

    def _iter_in_text(self) -> Iterator[FoundMatch]:
        raw, line_start, raw_start = self._raw, 0, 0
        text = to_shown_text(raw)
        for start, end in self._matcher.iter_spans(text):
            if lines := text.count("\n", line_start, start):
                line_start = text.rfind("\n", line_start, start) + 1
                for _ in range(lines):
                    raw_start = raw.find(b"\n", raw_start) + 1
            yield FoundMatch(self._offset + raw_start, start - line_start, end - line_start)

    def _find_candidate_lines(self) -> list[int] | None:
        """Returns the starts of the lines that may match, if these are few and quick to find; None otherwise."""
        required = self._choose_required()
        if required is None:
            return None
        limit = len(self._raw) // _BYTES_PER_CANDIDATE + 8
        starts: set[int] = set()
        for position in chain(self._find_required(required), self._find_hard()):
            starts.add(self._raw.rfind(b"\n", 0, position) + 1)
            limit -= 1
            if limit < 0:
                self._matcher.forget_rarest()
                return None
        return sorted(starts)

    def _choose_required(self) -> bytes | None:
        """Returns the rarest bytes that every line with a match contains, colours and hard sequences aside."""
        if (
            self._matcher.ignores_case
            and max(self._kinds, default=0) > 0x7F
            and any(c in self._raw for c in _OTHER_CASES)
        ):
            return None
        required = self._matcher.required
        if _TAB in self._kinds:  # a tab is shown as blanks
            required = tuple(piece for text in required for piece in text.split(b" ") if piece)
        return self._matcher.choose_rarest(required, self._raw)

    def _find_required(self, required: bytes) -> Iterator[int]:
        data = self._matcher.lower(self._raw)
        if _ESCAPE in self._kinds:
            yield from (found.start() for found in _split_by_colours(required).finditer(data))
            return
        position = data.find(required)
        while position >= 0:
            yield position
            position = data.find(required, position + len(required))

    def _find_hard(self) -> Iterator[int]:
        for kind in self._kinds & _HARD.keys():
            for found in _HARD[kind].finditer(self._raw):
                yield found.start()

    def _line_end(self, start: int) -> int:
        end = self._raw.find(b"\n", start)
        return len(self._raw) if end < 0 else end


@lru_cache(maxsize=16)
def _split_by_colours(text: bytes) -> re.Pattern[bytes]:
    """Returns a pattern that finds the text, and the beginning of it that an escape sequence follows."""
    letters = [re.escape(text[index : index + 1]) for index in range(len(text))]
    return re.compile(b"(?:\x1b|".join(letters) + b")" * (len(letters) - 1))
