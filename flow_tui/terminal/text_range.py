"""Positions and ranges of text in a terminal: words, wrapped lines, and the text of a range."""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.cells import cell_len

from flow_tui.terminal.core import TerminalCore

LINE_ROWS = 200
"""A wrapped line longer than this many rows is handled in parts."""
MAX_TEXT = 1 << 20
"""Most characters that are copied at once; terminals refuse longer texts."""

_VI_WORD = re.compile(r"\w+|[^\w\s]+")
CLICK_WORD = re.compile(r"[^\s\"'`()\[\]{}<>|;,]+")
"""The word that a double click selects: whole paths, addresses and options, without quotes or brackets around them."""
_SCANNED_ROWS = 2000


class CellPosition(NamedTuple):
    """A cell: the number of its row, and its column. Positions sort in reading order."""

    line: int
    x: int


class TextRange(NamedTuple):
    """The text from one cell to another, both included."""

    start: CellPosition
    end: CellPosition


def get_last_line(core: TerminalCore) -> int:
    """Returns the number of the screen's lowest row."""
    return core.first_line + core.scrollback_rows + core.rows - 1


def get_top_line(core: TerminalCore) -> int:
    """Returns the number of the row at the top of the view."""
    return core.first_line + core.scrollback_rows - core.scroll_offset


def find_row_end(core: TerminalCore, number: int) -> int:
    """Returns the column of the last character that isn't blank."""
    text = "".join(core.get_line(number).cells)
    return max(0, cell_len(text.rstrip()) - 1)


def extract_text(core: TerminalCore, text_range: TextRange) -> str | None:
    """Returns the text of a range: joins wrapped rows, strips trailing blanks. None if it is longer than MAX_TEXT."""
    start, end = text_range
    parts: list[str] = []
    length = 0
    for number in range(start.line, end.line + 1, LINE_ROWS):
        block = core.get_texts(number, min(number + LINE_ROWS - 1, end.line))
        for at, (text, wraps) in enumerate(block, start=number):
            if at in (start.line, end.line):
                first = start.x if at == start.line else 0
                text = _slice_row(core, at, first, end.x if at == end.line else core.cols - 1)
            elif wraps:
                text = _pad_row(core, at, text)
            is_last = at == end.line
            parts.append(text if wraps and not is_last else text.rstrip() + ("" if is_last else "\n"))
            length += len(parts[-1])
        if length > MAX_TEXT:
            return None
    return "".join(parts)


def _slice_row(core: TerminalCore, number: int, first: int, last: int) -> str:
    cells = core.get_line(number).cells
    if first and first < len(cells) and not cells[first]:
        first -= 1  # the second half of a wide character selects the whole
    return "".join(cells[first : last + 1])


def _pad_row(core: TerminalCore, number: int, text: str) -> str:
    """Returns the row with its trailing blanks: in a row that wraps, they are in the middle of a line."""
    return text if cell_len(text) >= core.cols else "".join(core.get_line(number).cells)


def find_line_rows(core: TerminalCore, number: int) -> tuple[int, int]:
    """Finds the first and the last row of the wrapped line that contains a row."""
    first = last = number
    above = core.get_texts(number - LINE_ROWS, number - 1)
    while above and above.pop()[1]:
        first -= 1
    for _, wraps in core.get_texts(number, number + LINE_ROWS):
        if not wraps:
            break
        last += 1
    return first, min(last, get_last_line(core))


class LineText(NamedTuple):
    """A line as one text, with the position of each of its characters."""

    text: str
    positions: list[CellPosition]


def join_line(core: TerminalCore, first: int, last: int) -> LineText:
    """Joins the rows from `first` to `last`."""
    characters: list[str] = []
    positions: list[CellPosition] = []
    for number in range(first, last + 1):
        for x, cell in enumerate(core.get_line(number).cells):
            characters.append(cell)
            positions += [CellPosition(number, x)] * len(cell)
    return LineText("".join(characters), positions)


def find_ranges(line: LineText, pattern: re.Pattern[str]) -> list[TextRange]:
    """Finds all matches of the pattern in a line, except empty matches."""
    return [
        TextRange(line.positions[found.start()], line.positions[found.end() - 1])
        for found in pattern.finditer(line.text)
        if found.end() > found.start()
    ]


def find_word(core: TerminalCore, position: CellPosition) -> TextRange:
    """Finds the word that a double click selects; between words, the single cell."""
    for word in find_ranges(join_line(core, *find_line_rows(core, position.line)), CLICK_WORD):
        if word.start <= position <= _extend_to_wide_end(core, word.end):
            return TextRange(word.start, _extend_to_wide_end(core, word.end))
    return TextRange(position, position)


def find_line(core: TerminalCore, position: CellPosition) -> TextRange:
    """Finds the wrapped line that a triple click selects."""
    first, last = find_line_rows(core, position.line)
    return TextRange(CellPosition(first, 0), CellPosition(last, core.cols - 1))


def _extend_to_wide_end(core: TerminalCore, position: CellPosition) -> CellPosition:
    cells = core.get_line(position.line).cells
    is_wide = position.x + 1 < len(cells) and cells[position.x] and not cells[position.x + 1]
    return CellPosition(position.line, position.x + 1) if is_wide else position


def find_next_word(core: TerminalCore, position: CellPosition) -> CellPosition:
    """Finds the start of the next word (`w` in vi), or else the last cell of the row's text."""
    number = position.line
    for text_row in range(number, min(number + _SCANNED_ROWS, get_last_line(core) + 1)):
        for word in find_ranges(join_line(core, text_row, text_row), _VI_WORD):
            if word.start > position:
                return word.start
    return CellPosition(position.line, find_row_end(core, position.line))


def find_word_end(core: TerminalCore, position: CellPosition) -> CellPosition:
    """Finds the end of this or the next word (`e` in vi)."""
    for number in range(position.line, min(position.line + _SCANNED_ROWS, get_last_line(core) + 1)):
        for word in find_ranges(join_line(core, number, number), _VI_WORD):
            if word.end > position:
                return word.end
    return CellPosition(position.line, find_row_end(core, position.line))


def find_previous_word(core: TerminalCore, position: CellPosition) -> CellPosition:
    """Finds the start of this or the previous word (`b` in vi)."""
    for number in range(position.line, max(position.line - _SCANNED_ROWS, core.first_line - 1), -1):
        for word in reversed(find_ranges(join_line(core, number, number), _VI_WORD)):
            if word.start < position:
                return word.start
    return CellPosition(position.line, 0)
