"""Finds the lines of a log that no move of the cursor can change, so that each can be read alone."""

from __future__ import annotations

from collections.abc import Callable

from flow_core.logs.shown.controls import find_escape_move, iter_moves
from flow_core.logs.shown.row_stack import SCREEN_ROWS

_PIECE = 1 << 16
_OVERLAP = 64
_FARTHEST_BACK = 16 << 20
Read = Callable[[int, int], bytes]
"""Reads at most so many bytes at an offset; fewer at the end of the log."""


def find_line_start(read: Read, offset: int) -> int:
    """Returns the start of the first line that begins at or after `offset`; the end of the log if there is none."""
    position = max(0, offset - 1)
    while offset > 0 and (data := read(position, _PIECE)):
        if (newline := data.find(b"\n")) >= 0:
            return position + newline + 1
        position += len(data)
    return position if offset > 0 else 0


def find_quiet_start(read: Read, offset: int, limit: int) -> int:
    """Returns the first line from `offset` on with no move on the rows of a screen before it; at most `limit`."""
    start = find_line_start(read, offset)
    move = _find_last_move(read, find_rows_back(read, start), start)
    while move is not None and start < limit:
        start = max(start, skip_rows(read, move, limit))
        move = _find_last_move(read, move + 1, start)
    return min(start, limit)


def find_rows_back(read: Read, start: int) -> int:
    """Returns an offset so far before a line that the rows of a screen lie between."""
    position, rows = start, 0
    while position > max(0, start - _FARTHEST_BACK) and rows <= SCREEN_ROWS:
        begin = max(0, position - _PIECE)
        rows += read(begin, position - begin).count(b"\n")
        position = begin
    return position


def skip_rows(read: Read, offset: int, limit: int) -> int:
    """Returns the start of the first line that is more than the rows of a screen after `offset`; at most `limit`."""
    rows = SCREEN_ROWS + 1
    while offset < limit and (data := read(offset, _PIECE)):
        if (count := data.count(b"\n")) < rows:
            rows, offset = rows - count, offset + len(data)
            continue
        position = 0
        for _ in range(rows):
            position = data.find(b"\n", position) + 1
        return min(limit, offset + position)
    return limit


def find_first_move(raw: bytes, start: int = 0) -> int | None:
    """Returns the position of the first move from `start` on."""
    if b"\x0b" in raw or b"\x0c" in raw:
        return next((found.start() for found in iter_moves(raw)), None)
    found = find_escape_move(raw, start) if b"\x1b" in raw else None
    return None if found is None else found.start()


def skip_rows_back(raw: bytes, end: int) -> int:
    """Returns the start of the line that is the rows of a screen above the line that begins at `end`."""
    for _ in range(SCREEN_ROWS):
        if end <= 0:
            return 0
        end = raw.rfind(b"\n", 0, end - 1) + 1
    return end


def _find_last_move(read: Read, start: int, end: int) -> int | None:
    """Returns the offset of the last move that begins in this range."""
    while end > start:
        begin = max(start, end - _PIECE)
        data = read(begin, end - begin + _OVERLAP)
        moves = [found.start() for found in iter_moves(data) if begin + found.start() < end] if _has_moves(data) else []
        if moves:
            return begin + moves[-1]
        end = begin
    return None


def _has_moves(data: bytes) -> bool:
    return find_first_move(data) is not None
