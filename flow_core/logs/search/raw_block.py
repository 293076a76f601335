"""The matches in a block of whole lines none of which changes another line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from flow_core.logs.search.ascii_block import AsciiBlock
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.quiet_lines import find_first_move
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

_FEEDS = frozenset(b"\x0b\x0c")
_OTHER_CASES = (b"\xc5\xbf", b"\xe2\x84\xaa", b"\xc4\xb0", b"\xc4\xb1")
"""Letters that ignoring case makes equal to s, K and i."""

_BYTES_PER_CANDIDATE = 1024
_FEW_KINDS = 16


class BlockBytes(NamedTuple):
    """Raw bytes, what kinds of bytes make them not printable ASCII, and the first escape sequence but colours."""

    raw: bytes
    kinds: frozenset[int]
    hard_escape: int | None

    @classmethod
    def of(cls, raw: bytes) -> BlockBytes:
        """Examines bytes."""
        kinds = _find_kinds(raw.translate(None, PLAIN_BYTES))
        found = _HARD[_ESCAPE].search(raw) if _ESCAPE in kinds else None
        return cls(raw, kinds, found.start() if found else None)

    def find_move(self, end: int) -> int | None:
        """Returns the position of the first move before `end`."""
        if self.hard_escape is None and not self.kinds & _FEEDS:
            return None
        move = find_first_move(self.raw, self.hard_escape or 0)
        return move if move is not None and move < end else None


def make_block(matcher: LineMatcher, offset: int, data: BlockBytes, end: int) -> AsciiBlock | RawBlock:
    """Returns the block of the whole lines before `end` in these bytes. The last line may lack its newline."""
    raw, kinds, _ = data
    if kinds or (matcher.sees_line_ends and (raw.find(b" \n", 0, end) >= 0 or raw.endswith(b" ", 0, end))):
        return RawBlock(matcher, offset, data, end)
    return AsciiBlock(matcher, offset, raw, end)


def _find_kinds(special: bytes) -> frozenset[int]:
    kinds: set[int] = set()
    while special and len(kinds) < _FEW_KINDS:
        kinds.add(special[0])
        special = special.translate(None, special[:1])
    return frozenset((*kinds, *special))


class RawBlock:
    """The lines before `end` in bytes at `offset`, for lines that are not shown as they are written.

    They have colours, control characters, blanks at their ends, or text beyond ASCII.
    """

    def __init__(self, matcher: LineMatcher, offset: int, data: BlockBytes, end: int) -> None:
        self._matcher = matcher
        self._offset = offset
        self._raw, self._kinds, hard_escape = data
        self._end = end
        self._hard_kinds = _HARD.keys() & (self._kinds if hard_escape is not None else self._kinds - {_ESCAPE})
        self._is_simple = False

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""
        candidates = self._find_candidate_lines()
        return self._iter_in_text() if candidates is None else self._iter_in_lines(candidates)

    def count(self) -> int:
        count, candidates = self._matcher.count, self._find_candidate_lines()
        if candidates is None:
            return count(to_shown_text(self._raw[: self._end]))
        return sum(count(self._to_text(start)) for start in candidates)

    def _iter_in_lines(self, starts: list[int]) -> Iterator[FoundMatch]:
        for start in starts:
            for first, last in self._matcher.iter_spans(self._to_text(start)):
                yield FoundMatch(self._offset + start, first, last)

    def _iter_in_text(self) -> Iterator[FoundMatch]:
        raw, line_start, raw_start = self._raw, 0, 0
        text = to_shown_text(raw[: self._end])
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
        limit = self._end // _BYTES_PER_CANDIDATE + 8
        starts: set[int] = set()
        hard = list(islice(self._find_hard(), limit))
        self._is_simple = not hard and _TAB not in self._kinds
        for position in chain(hard, self._find_required(required)):
            starts.add(self._raw.rfind(b"\n", 0, position) + 1)
            limit -= 1
            if limit < 0:
                self._matcher.forget_rarest()
                return None
        return sorted(starts)

    def _choose_required(self) -> bytes | None:
        """Returns the rarest bytes that every line with a match contains, colours and hard sequences aside."""
        if self._matcher.ignores_case and any(self._kinds.issuperset(letter) for letter in _OTHER_CASES):
            return None
        required = self._matcher.required
        if _TAB in self._kinds:  # a tab is shown as blanks
            required = tuple(piece for text in required for piece in text.split(b" ") if piece)
        return self._matcher.choose_rarest(required, self._raw)

    def _find_required(self, required: bytes) -> Iterator[int]:
        data = self._matcher.lower(self._raw)
        if _ESCAPE in self._kinds:
            start = self._matcher.find_rare_start(required, data)
            yield from (found.start() for found in _split_by_colours(required[start:]).finditer(data, 0, self._end))
            return
        position = data.find(required, 0, self._end)
        while position >= 0:
            yield position
            position = data.find(required, position + len(required), self._end)

    def _find_hard(self) -> Iterator[int]:
        for kind in self._hard_kinds:
            for found in _HARD[kind].finditer(self._raw, 0, self._end):
                yield found.start()

    def _to_text(self, start: int) -> str:
        """Converts the line at this position."""
        end = self._raw.find(b"\n", start, self._end)
        return to_shown_line(self._raw[start : self._end if end < 0 else end], is_simple=self._is_simple)


@lru_cache(maxsize=16)
def _split_by_colours(text: bytes) -> re.Pattern[bytes]:
    """Returns a pattern that finds the text, and the beginning of it that an escape sequence follows."""
    letters = [re.escape(text[index : index + 1]) for index in range(len(text))]
    return re.compile(b"(?:\x1b|".join(letters) + b")" * (len(letters) - 1))
