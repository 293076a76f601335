"""Finding text in the scrollback and on the screen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.places import LINE_ROWS, Place, Span, last_line, line_rows, line_text, spans_of

_BLOCK_ROWS = 1000


def compile_search(text: str) -> re.Pattern[str]:
    """The text as it stands; small letters also find capital ones, as in less and vim with smartcase."""
    return re.compile(re.escape(text), 0 if text != text.lower() else re.IGNORECASE)


def find(core: TerminalCore, pattern: re.Pattern[str], origin: Place, *, forward: bool) -> Span | None:
    """The nearest match after or before a place; then from the other end. A full scrollback takes about 0.3 s."""
    spans = _after(core, pattern, origin) if forward else _before(core, pattern, origin)
    return next(spans, None)


def matches_in(core: TerminalCore, pattern: re.Pattern[str], first: int, last: int) -> list[Span]:
    """All matches of the lines that these rows belong to."""
    found: list[Span] = []
    for start, end in _lines(core, line_rows(core, first)[0], last, pattern):
        found += spans_of(line_text(core, start, end), pattern)
    return found


def _after(core: TerminalCore, pattern: re.Pattern[str], origin: Place) -> Iterator[Span]:
    first, here = core.first_line, line_rows(core, origin.line)[0]
    for start, end in _lines(core, here, last_line(core), pattern):
        yield from (span for span in spans_of(line_text(core, start, end), pattern) if span.start > origin)
    for start, end in _lines(core, first, here + LINE_ROWS, pattern):
        yield from spans_of(line_text(core, start, end), pattern)


def _before(core: TerminalCore, pattern: re.Pattern[str], origin: Place) -> Iterator[Span]:
    first, last = core.first_line, last_line(core)
    for lower, upper in ((first, origin.line), (origin.line, last)):
        is_here = upper == origin.line
        while upper >= lower:
            begin = line_rows(core, max(lower, upper - _BLOCK_ROWS))[0]
            for start, end in reversed(list(_lines(core, begin, upper, pattern))):
                spans = spans_of(line_text(core, start, end), pattern)
                yield from (span for span in reversed(spans) if not is_here or span.start < origin)
            upper = begin - 1


def _lines(core: TerminalCore, first: int, last: int, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The first and last row of each line in which the pattern is likely, wrapped rows taken together."""
    texts: list[str] = []
    start = number = first
    while number <= last or texts:
        block = core.texts(number, number + _BLOCK_ROWS - 1)
        if not block:
            break
        for text, wraps in block:
            texts.append(text)
            number += 1
            if wraps and len(texts) < LINE_ROWS:
                continue
            # A row that wraps may have lost a blank at its end.
            if pattern.search("".join(texts)) or (len(texts) > 1 and pattern.search(" ".join(texts))):
                yield start, number - 1
            texts.clear()
            start = number
            if number > last:
                return
    if texts:
        yield start, number - 1
