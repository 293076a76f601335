"""Finds where the interpretation of a log can begin, so that the lines from an offset on come out right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flow_core.logs.open_colours import apply_colours, find_last_reset
from flow_core.logs.shown.controls import find_last_move
from flow_core.logs.shown.grid import PIECE_COLUMNS
from flow_core.logs.shown.redraw_screen import RedrawScreen
from flow_core.logs.shown.row_stack import SCREEN_ROWS
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.stream_bytes import PIECE, StreamBytes
from flow_core.logs.text_style import PLAIN, TextStyle

LOOK_BACK = 4 * PIECE
_FARTHEST_BACK = 1024 * PIECE
_LONGEST_GAP = 2 * 1024 * 1024
"""How many bytes after a checkpoint of the colours are read to find the colours at an offset."""


class OpenStyle(NamedTuple):
    """The colours that are open at an offset. They are a guess if `is_known` is false."""

    style: TextStyle
    is_known: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A screen at the beginning of a line. Its lines are right from the offset `valid_from` on.

    `is_exact` is false if a redrawn block may have begun so far before that the screen does not contain all of it.
    """

    screen: LiveScreen
    start: int
    """The offset of the first byte that the screen must receive."""
    valid_from: int
    is_exact: bool
    is_style_known: bool = True
    """Whether the colours of the screen are known, and not guessed from what precedes it."""
    first_line: int = 0
    """The offset of the first line that the screen has; rows before it only stand for rows above."""


def find_entry(source: StreamBytes, offset: int) -> Entry:
    """Returns the entry for the line that contains the byte at `offset`. Reads at most about half a MiB before it."""
    line = source.line_start(offset)
    if offset - line > PIECE_COLUMNS:
        return _enter_long_line(source, line, offset)
    return _search_back(source, line, LOOK_BACK)


def find_exact_entry(source: StreamBytes, offset: int) -> Entry:
    """Returns an entry as `find_entry` does, but looks back up to 64 MiB for the beginning of a redrawn block.

    This may take a second.
    """
    line = source.line_start(offset)
    if offset - line > PIECE_COLUMNS and b"\r" not in source.reader.read(max(line, offset - LOOK_BACK), LOOK_BACK):
        return _enter_long_line(source, line, offset)
    return _search_back(source, line, _FARTHEST_BACK)


def find_redraw_entry(source: StreamBytes, offset: int) -> Entry:
    """Returns an entry for a view of all redraws: at a line, or at a redraw within a long line."""
    line = source.line_start(offset)
    start = line
    if offset - line > PIECE_COLUMNS:
        data = source.read_back(offset, LOOK_BACK)
        start = offset - len(data) + max(0, data.find(b"\r"))
    style, is_known = find_style(source, line)
    return Entry(RedrawScreen(start, style), start, start, is_exact=True, is_style_known=is_known)


def _search_back(source: StreamBytes, line: int, limit: int) -> Entry:
    """Returns an entry before this line at which no redraw from above is possible, or else one `limit` bytes before."""
    start = line
    while True:
        data = source.read_back(start, PIECE)
        begin = start - len(data)
        last_move = find_last_move(data)
        if last_move < 0 or data.count(b"\n", last_move) > SCREEN_ROWS:
            style, is_known = find_style(source, start)
            # A later move goes up as far as there are rows, also to rows above this line.
            screen = LiveScreen(start, style, rows_above=min(SCREEN_ROWS - 1, data.count(b"\n")))
            return Entry(screen, start, start, is_exact=True, is_style_known=is_known, first_line=start)
        if begin == 0:
            return Entry(LiveScreen(0), 0, 0, is_exact=True)
        if line - begin >= limit:
            start = source.line_start(begin)
            style, is_known = find_style(source, start)
            return Entry(LiveScreen(start, style), start, line, is_exact=False, is_style_known=is_known)
        start = source.line_start(begin)


def _enter_long_line(source: StreamBytes, line: int, offset: int) -> Entry:
    """Returns an entry within a long line: at one of its redraws, or else where a row of it begins."""
    begin = offset - LOOK_BACK
    data = source.reader.read(begin, LOOK_BACK)
    redraw = data.find(b"\r")
    style, is_known = find_style(source, line)
    if redraw < 0:
        start = line + (offset - line) // PIECE_COLUMNS * PIECE_COLUMNS
        return Entry(LiveScreen(start, style), start, start, is_exact=True, is_style_known=is_known)
    return Entry(LiveScreen(line, style), begin + redraw, line, is_exact=False, is_style_known=is_known)


def find_style(source: StreamBytes, offset: int) -> OpenStyle:
    """Returns the colours that are open at the beginning of a line.

    They are known if the last 256 KiB reset them, or if the log begins or its index ends less than 2 MiB before.
    """
    start, following = offset, b""
    while start > max(0, offset - LOOK_BACK):
        data = source.read_back(start, PIECE)
        if not data:
            break
        start -= len(data)
        if (reset := find_last_reset(data, len(data))) >= 0:
            return OpenStyle(apply_colours(PLAIN, data[reset:] + following, len(data) - reset + len(following)), True)
        following = data + following if b"\x1b" in data or following else b""
    checkpoint, style = (0, PLAIN) if source.colours is None else source.colours.find_open_style(offset)
    if offset - checkpoint <= _LONGEST_GAP:
        data = source.read_back(offset, offset - checkpoint)
        return OpenStyle(apply_colours(style, data, len(data)), True)
    return OpenStyle(apply_colours(PLAIN, following, len(following)), False)
