"""Searches the scrollback and the screen of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.text_range import (
    LINE_ROWS,
    CellPosition,
    TextRange,
    find_line_rows,
    find_ranges,
    get_last_line,
    join_line,
)

_BLOCK_ROWS = 1000


def compile_search(text: str) -> re.Pattern[str]:
    """Compiles a literal pattern. It ignores case if `text` has no capital letter, as smartcase in vim."""
    return re.compile(re.escape(text), 0 if text != text.lower() else re.IGNORECASE)


def find(core: TerminalCore, pattern: re.Pattern[str], origin: CellPosition, *, forward: bool) -> TextRange | None:
    """Finds the nearest match after or before a position; wraps around. A full scrollback takes about 0.3 s."""
    ranges = _find_after(core, pattern, origin) if forward else _find_before(core, pattern, origin)
    return next(ranges, None)


def find_matches(core: TerminalCore, pattern: re.Pattern[str], first: int, last: int) -> list[TextRange]:
    """Finds all matches in the wrapped lines that contain these rows."""
    found: list[TextRange] = []
    for start, end in _candidate_lines(core, find_line_rows(core, first)[0], last, pattern):
        found += find_ranges(join_line(core, start, end), pattern)
    return found


def _find_after(core: TerminalCore, pattern: re.Pattern[str], origin: CellPosition) -> Iterator[TextRange]:
    first, line = core.first_line, find_line_rows(core, origin.line)[0]
    for start, end in _candidate_lines(core, line, get_last_line(core), pattern):
        yield from (match for match in find_ranges(join_line(core, start, end), pattern) if match.start > origin)
    for start, end in _candidate_lines(core, first, line + LINE_ROWS, pattern):
        yield from find_ranges(join_line(core, start, end), pattern)


def _find_before(core: TerminalCore, pattern: re.Pattern[str], origin: CellPosition) -> Iterator[TextRange]:
    first, last = core.first_line, get_last_line(core)
    for lower, upper in ((first, origin.line), (origin.line, last)):
        is_here = upper == origin.line
        while upper >= lower:
            begin = find_line_rows(core, max(lower, upper - _BLOCK_ROWS))[0]
            for start, end in reversed(list(_candidate_lines(core, begin, upper, pattern))):
                ranges = find_ranges(join_line(core, start, end), pattern)
                yield from (match for match in reversed(ranges) if not is_here or match.start < origin)
            upper = begin - 1


def _candidate_lines(core: TerminalCore, first: int, last: int, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yields the first and last row of each wrapped line that probably contains a match."""
    texts: list[str] = []
    start = number = first
    while number <= last or texts:
        block = core.get_texts(number, number + _BLOCK_ROWS - 1)
        if not block:
            break
        for text, wraps in block:
            texts.append(text)
            number += 1
            if wraps and len(texts) < LINE_ROWS:
                continue
            # `texts` strips trailing blanks, also those of a row that wraps.
            if pattern.search("".join(texts)) or (len(texts) > 1 and pattern.search(" ".join(texts))):
                yield start, number - 1
            texts.clear()
            start = number
            if number > last:
                return
    if texts:
        yield start, number - 1
