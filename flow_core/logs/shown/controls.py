"""Recognises control characters and escape sequences in the bytes of a log."""

from __future__ import annotations

import re

find_special = re.compile(rb"[^\n -~]").search
"""Finds the first byte that is not plain: neither printable ASCII nor a newline."""

PLAIN_BYTES = bytes((10, *range(32, 127)))
"""A newline and the printable characters of ASCII."""

find_control = re.compile(rb"[\x00-\x0c\x0e-\x1f\x7f]").search
"""Finds the first control character that is not a carriage return."""

iter_tokens = re.compile(
    rb"([^\x00-\x1f\x7f]+)"
    rb"|\x1b\[([0-?]*)([ -/]*)([@-~])"
    rb"|(\x08+|[\x00-\x1a\x1c-\x1f\x7f])"
    rb"|\x1b([\]PX^_])"
    rb"|\x1b(?:\[[0-?]*[ -/]*|[ -/]+[0-~]?|([0-~])?)"
).finditer
"""Yields the tokens of output. `lastindex` tells the kind of a token; an invalid sequence has none."""

TEXT, CSI, CONTROL, STRING, ESCAPE = 1, 4, 5, 6, 7

_ESCAPE_MOVE = (
    rb"\x1b(?:\[[0-9;]*[ABEFHJLMSTderfu]|\[\?(?:47|1047|1049)[hl]|[78DEMc]"
    rb"|[\]PX^_][^\x07\x1b\n]*(?:\n|\Z))"
)
MOVE_PATTERN = _ESCAPE_MOVE + rb"|[\x0b\x0c]"
"""Sequences after which output may change other rows than the one it is on, or continue in another state."""

_NEAR = 4096
iter_moves = re.compile(MOVE_PATTERN).finditer
find_move = re.compile(MOVE_PATTERN).search
find_escape_move = re.compile(_ESCAPE_MOVE).search
"""Finds the moves that begin with an escape character. It is several times faster than `find_move`."""


def has_moves(data: bytes) -> bool:
    """Returns whether `find_move` finds a move, several times faster where there is none."""
    if b"\x0b" in data or b"\x0c" in data:
        return find_move(data) is not None
    return b"\x1b" in data and find_escape_move(data) is not None


find_string_end = {
    opener: re.compile(rb"\x1b\\|\x1b|[\x18\x1a]" + (rb"|\x07" if opener == b"]" else b"")).search
    for opener in (b"]", b"P", b"X", b"^", b"_")
}
"""Finds the end of a control string (title, clipboard, image) by the character that began it."""

_INCOMPLETE = re.compile(
    rb"(?:\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[ -/]{0,8})|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2}"
    rb"|(?<![^\n])[\xfe\xff])\Z"
)


def find_incomplete_end(data: bytes, start: int) -> int:
    """Returns the position, from `start` on, at which an unfinished sequence or character at the end begins."""
    found = _INCOMPLETE.search(data, max(start, len(data) - 80))
    return found.start() if found else len(data)


def find_last_move(data: bytes) -> int:
    """Returns the position of the last sequence of `MOVE_PATTERN`; -1 if there is none."""
    if not has_moves(data):
        return -1
    near = max((found.start() for found in iter_moves(data, max(0, len(data) - _NEAR))), default=-1)
    return near if near >= 0 else max((found.start() for found in iter_moves(data)), default=-1)
