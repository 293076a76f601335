"""The matches in a block of whole lines that are shown as they are: printable ASCII."""

from __future__ import annotations

from collections.abc import Iterator

from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher

_SAMPLE = 1 << 16
_BYTES_PER_CANDIDATE = 4096


class AsciiBlock:
    """The lines of printable ASCII before `end` in bytes at `offset`; the last one may lack its newline."""

    def __init__(self, matcher: LineMatcher, offset: int, raw: bytes, end: int) -> None:
        self._matcher = matcher
        self._offset = offset
        self._raw = raw
        self._end = end

    def iter_matches(self) -> Iterator[FoundMatch]:
        """Yields the matches in order."""
        raw, line_start = self._raw, 0
        for start, end in self._iter_spans():
            line_start = max(line_start, raw.rfind(b"\n", line_start, start) + 1)
            yield FoundMatch(self._offset + line_start, start - line_start, end - line_start)

    def count(self) -> int:
        matcher = self._matcher
        if matcher.plain_bytes:
            return self._raw.count(matcher.plain_bytes, 0, self._end)
        data = matcher.lower(self._raw)
        required = self._choose_rare(data)
        return (
            matcher.count_ascii(data, self._end)
            if required is None
            else sum(1 for _ in self._iter_in_lines(data, required))
        )

    def _iter_spans(self) -> Iterator[tuple[int, int]]:
        data = self._matcher.lower(self._raw)
        required = self._choose_rare(data)
        if required is None:
            return self._matcher.iter_ascii_spans(data, 0, self._end)
        return self._iter_in_lines(data, required)

    def _choose_rare(self, data: bytes) -> bytes | None:
        """Returns required bytes that are quicker to find than the pattern; None if the pattern has none."""
        required = self._matcher.choose_rarest(self._matcher.required, data)
        if required is None or data.count(required, 0, _SAMPLE) > _SAMPLE // _BYTES_PER_CANDIDATE:
            return None
        return required

    def _iter_in_lines(self, data: bytes, required: bytes) -> Iterator[tuple[int, int]]:
        position = data.find(required, 0, self._end)
        while position >= 0:
            start, end = data.rfind(b"\n", 0, position) + 1, data.find(b"\n", position, self._end)
            end = self._end if end < 0 else end
            yield from self._matcher.iter_ascii_spans(data, start, end)
            position = data.find(required, end, self._end)
