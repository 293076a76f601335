"""Finds where the interpretation of a log can begin, so that the lines from an offset on come out right."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow_core.logs.shown.controls import find_last_move
from flow_core.logs.shown.grid import PIECE_COLUMNS
from flow_core.logs.shown.redraw_screen import RedrawScreen
from flow_core.logs.shown.row_stack import SCREEN_ROWS
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.stream_bytes import PIECE, StreamBytes
from flow_core.logs.text_style import PLAIN, TextStyle, apply_sgr

LOOK_BACK = 4 * PIECE
_FARTHEST_BACK = 1024 * PIECE
_iter_sgr = re.compile(rb"\x1b\[([0-9;:]*)m").finditer
_RESETS = (b"\x1b[0m", b"\x1b[m")


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
    return Entry(RedrawScreen(start, find_style(source, line)), start, start, is_exact=True)


def _search_back(source: StreamBytes, line: int, limit: int) -> Entry:
    """Returns an entry before this line at which no redraw from above is possible, or else one `limit` bytes before."""
    start = line
    while True:
        data = source.read_back(start, PIECE)
        begin = start - len(data)
        last_move = find_last_move(data)
        if last_move < 0 or data.count(b"\n", last_move) > SCREEN_ROWS:
            return Entry(LiveScreen(start, find_style(source, start)), start, start, is_exact=True)
        if begin == 0:
            return Entry(LiveScreen(0), 0, 0, is_exact=True)
        if line - begin >= limit:
            start = source.line_start(begin)
            return Entry(LiveScreen(start, find_style(source, start)), start, line, is_exact=False)
        start = source.line_start(begin)


def _enter_long_line(source: StreamBytes, line: int, offset: int) -> Entry:
    """Returns an entry within a long line: at one of its redraws, or else where a row of it begins."""
    begin = offset - LOOK_BACK
    data = source.reader.read(begin, LOOK_BACK)
    redraw = data.find(b"\r")
    style = find_style(source, line)
    if redraw < 0:
        start = line + (offset - line) // PIECE_COLUMNS * PIECE_COLUMNS
        return Entry(LiveScreen(start, style), start, start, is_exact=True)
    return Entry(LiveScreen(line, style), begin + redraw, line, is_exact=False)


def find_style(source: StreamBytes, offset: int) -> TextStyle:
    """Returns the colours that are open at the beginning of a line, as far as the last 256 KiB before it tell."""
    end, following = offset, b""
    while end > max(0, offset - LOOK_BACK):
        data = source.read_back(end, PIECE)
        reset = max(data.rfind(code) for code in _RESETS) if b"\x1b" in data else -1
        following = data[max(0, reset) :] + following if b"\x1b" in data else following
        if reset >= 0:
            break
        end -= len(data)
        if not data:
            break
    style = PLAIN
    for found in _iter_sgr(following):
        style = apply_sgr(style, found[1])
    return style
