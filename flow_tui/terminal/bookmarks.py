"""Bookmarks: positions that survive a resize, which wraps lines again and renumbers rows."""

from __future__ import annotations

from typing import NamedTuple

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.text_range import CellPosition, find_line_rows, get_last_line

_BLOCK_ROWS = 1000


class Bookmark(NamedTuple):
    """A position that a resize doesn't change.

    `lines` counts wrapped lines above the last line with text (negative below it). `columns` counts columns from the
    start of the position's own line.
    """

    lines: int
    columns: int


def create_bookmark(core: TerminalCore, position: CellPosition) -> Bookmark:
    """Bookmarks a position. Takes up to 0.4 s at the far end of a full scrollback."""
    line, base = find_line_rows(core, position.line)[0], _find_base(core)
    low, high = sorted((line, base))
    between = sum(not wraps for _, wraps in core.get_texts(low, high - 1))
    return Bookmark(between if line <= base else -between, (position.line - line) * core.cols + position.x)


def find_bookmark(core: TerminalCore, mark: Bookmark) -> CellPosition:
    """Finds the bookmarked text, or the nearest remaining text. Takes as long as `bookmark`."""
    line = (
        _move_up(core, _find_base(core), mark.lines)
        if mark.lines >= 0
        else _move_down(core, _find_base(core), -mark.lines)
    )
    row, x = divmod(mark.columns, core.cols)
    last = find_line_rows(core, line)[1]
    return CellPosition(line + row, x) if line + row <= last else CellPosition(last, core.cols - 1)


def _find_base(core: TerminalCore) -> int:
    """Returns the first row of the last line with text. A resize adds and removes the blank rows below it."""
    top = core.first_line
    for number in range(get_last_line(core), top - 1, -_BLOCK_ROWS):
        first = max(top, number - _BLOCK_ROWS + 1)
        texts = core.get_texts(first, number)
        for at in range(len(texts) - 1, -1, -1):
            if texts[at][0].strip():
                return find_line_rows(core, first + at)[0]
    return top


def _move_up(core: TerminalCore, line: int, lines: int) -> int:
    top = core.first_line
    while lines > 0 and line > top:
        first = max(top, line - _BLOCK_ROWS)
        for _, wraps in reversed(core.get_texts(first, line - 1)):
            if not wraps:
                if lines == 0:
                    return line
                lines -= 1
            line -= 1
    return find_line_rows(core, line)[0]


def _move_down(core: TerminalCore, line: int, lines: int) -> int:
    for _, wraps in core.get_texts(line, get_last_line(core)):
        if lines == 0:
            break
        lines -= not wraps
        line += 1
    return min(line, get_last_line(core))
