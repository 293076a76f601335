"""A compiled query: its matches in one line, in text of several lines, and in bytes that are plain ASCII."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, AnyStr

from flow_core.logs.search.pattern_facts import PatternFacts, read_facts

if TYPE_CHECKING:
    from flow_core.logs.search.query import SearchQuery

Span = tuple[int, int]
_SAMPLE = 1 << 16
_SHORTEST_END = 4


class LineMatcher:
    """A regular expression that matches inside lines only. Empty matches are left out."""

    def __init__(self, source: str, *, ignores_case: bool) -> None:
        self.ignores_case = ignores_case
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.facts = read_facts(source, ignores_case=ignores_case)
            flags = re.MULTILINE | (re.IGNORECASE if ignores_case else 0)
            self._text = re.compile(source, flags)
            # Lower-case text is searched several times faster than with IGNORECASE.
            self._may_lower = ignores_case and not self.facts.has_own_flags
            self._lowers = ignores_case and self.facts.can_lower
            ascii_flags = re.MULTILINE if self._lowers else flags
            self._ascii_text = re.compile(source, ascii_flags | re.ASCII) if self.facts.is_ascii else None
            self._ascii = _compile_bytes(source, ascii_flags) if self._ascii_text else None
        self.required = tuple(_to_required_bytes(self.facts, ignores_case=ignores_case))
        self._rarest: dict[tuple[bytes, ...], bytes] = {}
        self._starts: dict[bytes, int] = {}

    @property
    def sees_line_ends(self) -> bool:
        """Whether blanks at the end of a line, which are not shown, can change what is found."""
        return not self.facts.ends_visibly

    @property
    def plain_bytes(self) -> bytes | None:
        """The bytes that are the only match in UTF-8 text without controls; None for a regular expression."""
        return self.required[0] if self.facts.is_plain and not self.ignores_case and self.required else None

    def lower(self, data: bytes) -> bytes:
        """Returns bytes in which `required` occurs wherever the search may ignore case."""
        return data.lower() if self._may_lower else data

    def choose_rarest(self, required: tuple[bytes, ...], sample: bytes) -> bytes | None:
        """Returns the one of these texts that is rarest in the first sample since `forget_rarest`."""
        if not required:
            return None
        if (known := self._rarest.get(required)) is None:
            data = self.lower(sample[:_SAMPLE])
            known = self._rarest[required] = min(required, key=lambda text: (data.count(text), -len(text)))
        return known

    def find_rare_start(self, required: bytes, sample: bytes) -> int:
        """Returns where in these bytes to begin, so that their end from there on begins with a rare letter."""
        if (start := self._starts.get(required)) is None:
            data = sample[:_SAMPLE]
            starts = range(max(1, len(required) - _SHORTEST_END + 1))
            start = self._starts[required] = min(starts, key=lambda at: data.count(required[at : at + 1]))
        return start

    def forget_rarest(self) -> None:
        self._rarest.clear()
        self._starts.clear()

    def iter_spans(self, text: str) -> Iterator[Span]:
        """Yields the matches in text of one or several lines, as (start, end) in characters."""
        if self._ascii_text is None or not text.isascii():
            return _iter_spans(self._text, text, "\n", self.facts)
        return _iter_spans(self._ascii_text, text.lower() if self._lowers else text, "\n", self.facts)

    def iter_ascii_spans(self, data: bytes, start: int, end: int) -> Iterator[Span]:
        """Yields the matches in whole lines of printable ASCII, which `lower` returned."""
        if self._ascii is None:
            spans = _iter_spans(self._text, data[start:end].decode("ascii"), "\n", self.facts)
        elif self.facts.needs_single_lines or self.facts.may_match_newline:
            spans = _iter_spans(self._ascii, data[start:end], b"\n", self.facts)
        else:
            return (found.span() for found in self._ascii.finditer(data, start, end))
        return ((start + first, start + last) for first, last in spans)

    def matches(self, line: str) -> bool:
        """Returns whether there is a match in one line."""
        if self.facts.needs_single_lines:
            return any(True for _ in self.iter_spans(line))
        if self._ascii_text is None or not line.isascii():
            return self._text.search(line) is not None
        return self._ascii_text.search(line.lower() if self._lowers else line) is not None

    def count(self, text: str) -> int:
        return sum(1 for _ in self.iter_spans(text))

    def count_ascii(self, data: bytes, end: int) -> int:
        """Returns the number of matches in the whole lines before `end`, printable ASCII which `lower` returned."""
        pattern = self._ascii
        if pattern is None or pattern.groups or self.facts.needs_single_lines or self.facts.may_match_newline:
            return sum(1 for _ in self.iter_ascii_spans(data, 0, end))
        return len(pattern.findall(data, 0, end))


def find_required_text(query: SearchQuery) -> bytes | None:
    """Returns the longest bytes that every line with a match contains, in lower case if the query ignores case."""
    facts = read_facts(query.source, ignores_case=query.ignores_case)
    return max(_to_required_bytes(facts, ignores_case=query.ignores_case), key=len, default=None)


def _compile_bytes(source: str, flags: int) -> re.Pattern[bytes] | None:
    try:
        return re.compile(source.encode("ascii"), flags)
    except re.error:  # an escape that only text has, such as \u0041
        return None


def _to_required_bytes(facts: PatternFacts, *, ignores_case: bool) -> Iterator[bytes]:
    for text in facts.texts:
        pieces = re.findall(r"[\x00-\x7f]+", text) if ignores_case else [text]
        for piece in pieces:
            try:
                yield (piece.lower() if ignores_case else piece).encode()
            except UnicodeEncodeError:  # a surrogate, which no text contains
                continue


def _iter_spans(pattern: re.Pattern[AnyStr], text: AnyStr, newline: AnyStr, facts: PatternFacts) -> Iterator[Span]:
    if facts.needs_single_lines:
        return _iter_in_lines(pattern, text, newline)
    if facts.may_match_newline:
        return _iter_before_newlines(pattern, text, newline)
    return (found.span() for found in pattern.finditer(text))


def _iter_in_lines(pattern: re.Pattern[AnyStr], text: AnyStr, newline: AnyStr) -> Iterator[Span]:
    start = 0
    for line in text.split(newline):
        for found in pattern.finditer(line):
            if found.end() > found.start():
                yield start + found.start(), start + found.end()
        start += len(line) + 1


def _iter_before_newlines(pattern: re.Pattern[AnyStr], text: AnyStr, newline: AnyStr) -> Iterator[Span]:
    """Searches the whole text at once. Where a match would span lines, searches its first line alone."""
    position = 0
    while found := pattern.search(text, position):
        line_end = text.find(newline, found.start(), found.end())
        if line_end >= 0:
            found = pattern.search(text, found.start(), line_end)
            if found is None:
                position = line_end + 1
                continue
        yield found.span()
        position = found.end()
