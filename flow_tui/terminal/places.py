"""Text by its place: words, whole lines and stretches of what a terminal shows and keeps."""

from __future__ import annotations

import re
from typing import NamedTuple

from rich.cells import cell_len

from flow_tui.terminal.core import TerminalCore

LINE_ROWS = 200
"""Rows that one wrapped line may take before it is looked at in parts."""
MAX_TEXT = 1 << 20
"""Characters that may be taken at once; terminals refuse longer ones anyway."""

_VI_WORD = re.compile(r"\w+|[^\w\s]+")
# What a double click takes: paths, addresses and options whole, without the quotes or brackets around them.
_CLICK_WORD = re.compile(r"[^\s\"'`()\[\]{}<>|;,]+")
_SCANNED_ROWS = 2000


class Place(NamedTuple):
    """A cell: the number of its row, and its column. Places are ordered as they are read."""

    line: int
    x: int


class Span(NamedTuple):
    """A stretch of text from one cell to another, both included."""

    start: Place
    end: Place


def last_line(core: TerminalCore) -> int:
    """The number of the screen's lowest row."""
    return core.first_line + core.scrollback_rows + core.rows - 1


def top_line(core: TerminalCore) -> int:
    """The number of the row at the top of the view."""
    return core.first_line + core.scrollback_rows - core.scroll_offset


def end_of_row(core: TerminalCore, number: int) -> int:
    """The column of the last character that isn't blank."""
    text = "".join(core.line(number).cells)
    return max(0, cell_len(text.rstrip()) - 1)


def text_of(core: TerminalCore, span: Span) -> str | None:
    """The text without blank line ends, wrapped rows joined; None where it is longer than MAX_TEXT."""
    start, end = span
    parts: list[str] = []
    length = 0
    for number in range(start.line, end.line + 1, LINE_ROWS):
        block = core.texts(number, min(number + LINE_ROWS - 1, end.line))
        for at, (text, wraps) in enumerate(block, start=number):
            if at in (start.line, end.line):
                first = start.x if at == start.line else 0
                text = _piece(core, at, first, end.x if at == end.line else core.cols - 1)
            elif wraps:
                text = _whole_row(core, at, text)
            is_last = at == end.line
            parts.append(text if wraps and not is_last else text.rstrip() + ("" if is_last else "\n"))
            length += len(parts[-1])
        if length > MAX_TEXT:
            return None
    return "".join(parts)


def _piece(core: TerminalCore, number: int, first: int, last: int) -> str:
    cells = core.line(number).cells
    if first and first < len(cells) and not cells[first]:
        first -= 1  # the second half of a wide character stands for the whole
    return "".join(cells[first : last + 1])


def _whole_row(core: TerminalCore, number: int, text: str) -> str:
    """The row with the blanks that were cut off its end: where it wraps, they stand in the middle of a line."""
    return text if cell_len(text) >= core.cols else "".join(core.line(number).cells)


def line_rows(core: TerminalCore, number: int) -> tuple[int, int]:
    """The first and the last row of the line that a row belongs to."""
    first = last = number
    above = core.texts(number - LINE_ROWS, number - 1)
    while above and above.pop()[1]:
        first -= 1
    for _, wraps in core.texts(number, number + LINE_ROWS):
        if not wraps:
            break
        last += 1
    return first, min(last, last_line(core))


class LineText(NamedTuple):
    """A line as one text, with the place of each of its characters."""

    text: str
    places: list[Place]


def line_text(core: TerminalCore, first: int, last: int) -> LineText:
    """The rows from `first` to `last` read as one line."""
    characters: list[str] = []
    places: list[Place] = []
    for number in range(first, last + 1):
        for x, cell in enumerate(core.line(number).cells):
            characters.append(cell)
            places += [Place(number, x)] * len(cell)
    return LineText("".join(characters), places)


def spans_of(line: LineText, pattern: re.Pattern[str]) -> list[Span]:
    """Where the pattern is found in a line; an empty match is none."""
    return [
        Span(line.places[found.start()], line.places[found.end() - 1])
        for found in pattern.finditer(line.text)
        if found.end() > found.start()
    ]


def word_at(core: TerminalCore, place: Place) -> Span:
    """The word that a double click takes; the cell alone between words."""
    for span in spans_of(line_text(core, *line_rows(core, place.line)), _CLICK_WORD):
        if span.start <= place <= _with_wide_end(core, span.end):
            return Span(span.start, _with_wide_end(core, span.end))
    return Span(place, place)


def line_at(core: TerminalCore, place: Place) -> Span:
    """The whole line that a triple click takes."""
    first, last = line_rows(core, place.line)
    return Span(Place(first, 0), Place(last, core.cols - 1))


def _with_wide_end(core: TerminalCore, place: Place) -> Place:
    cells = core.line(place.line).cells
    is_wide = place.x + 1 < len(cells) and cells[place.x] and not cells[place.x + 1]
    return Place(place.line, place.x + 1) if is_wide else place


def next_word(core: TerminalCore, place: Place) -> Place:
    """Where the next word begins, as vi's `w`; the last cell of the text where there is none."""
    number = place.line
    for text_row in range(number, min(number + _SCANNED_ROWS, last_line(core) + 1)):
        for span in spans_of(line_text(core, text_row, text_row), _VI_WORD):
            if span.start > place:
                return span.start
    return Place(place.line, end_of_row(core, place.line))


def word_end(core: TerminalCore, place: Place) -> Place:
    """Where this word, or the next, ends, as vi's `e`."""
    for number in range(place.line, min(place.line + _SCANNED_ROWS, last_line(core) + 1)):
        for span in spans_of(line_text(core, number, number), _VI_WORD):
            if span.end > place:
                return span.end
    return Place(place.line, end_of_row(core, place.line))


def previous_word(core: TerminalCore, place: Place) -> Place:
    """Where this word, or the one before, begins, as vi's `b`."""
    for number in range(place.line, max(place.line - _SCANNED_ROWS, core.first_line - 1), -1):
        for span in reversed(spans_of(line_text(core, number, number), _VI_WORD)):
            if span.start < place:
                return span.start
    return Place(place.line, 0)
