"""Finding a place again after a resize, when rows break elsewhere and have other numbers."""

from __future__ import annotations

from typing import NamedTuple

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.places import Place, last_line, line_rows

_BLOCK_ROWS = 1000


class Bookmark(NamedTuple):
    """A place by what a resize leaves alone: lines above the last one with text, wrapped rows taken together, and
    columns into its own. Lines below that one count negative."""

    lines: int
    columns: int


def bookmark(core: TerminalCore, place: Place) -> Bookmark:
    """Takes up to 0.4 s where the place is at the far end of a full scrollback."""
    line, base = line_rows(core, place.line)[0], _base(core)
    low, high = sorted((line, base))
    between = sum(not wraps for _, wraps in core.texts(low, high - 1))
    return Bookmark(between if line <= base else -between, (place.line - line) * core.cols + place.x)


def find_again(core: TerminalCore, mark: Bookmark) -> Place:
    """The same text, or what is nearest to it where it is no longer kept. As long as `bookmark`."""
    line = _above(core, _base(core), mark.lines) if mark.lines >= 0 else _below(core, _base(core), -mark.lines)
    row, x = divmod(mark.columns, core.cols)
    last = line_rows(core, line)[1]
    return Place(line + row, x) if line + row <= last else Place(last, core.cols - 1)


def _base(core: TerminalCore) -> int:
    """The first row of the last line that has text; blank rows below it come and go with the size."""
    top = core.first_line
    for number in range(last_line(core), top - 1, -_BLOCK_ROWS):
        first = max(top, number - _BLOCK_ROWS + 1)
        texts = core.texts(first, number)
        for at in range(len(texts) - 1, -1, -1):
            if texts[at][0].strip():
                return line_rows(core, first + at)[0]
    return top


def _above(core: TerminalCore, line: int, lines: int) -> int:
    top = core.first_line
    while lines > 0 and line > top:
        first = max(top, line - _BLOCK_ROWS)
        for _, wraps in reversed(core.texts(first, line - 1)):
            if not wraps:
                if lines == 0:
                    return line
                lines -= 1
            line -= 1
    return line_rows(core, line)[0]


def _below(core: TerminalCore, line: int, lines: int) -> int:
    for _, wraps in core.texts(line, last_line(core)):
        if lines == 0:
            break
        lines -= not wraps
        line += 1
    return min(line, last_line(core))
