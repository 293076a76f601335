"""Finds the colours that are open at an offset of a log: those that a sequence before it has set and none has reset."""

from __future__ import annotations

import re
from typing import Protocol

from flow_core.logs.text_style import PLAIN, TextStyle, apply_sgr

LONGEST_SEQUENCE = 64
"""Longer sequences are not recognised if they are cut between two parts of a log."""

_SGR = re.compile(rb"\x1b\[([0-9;:]*)m")
_iter_sgr, _match_sgr = _SGR.finditer, _SGR.match
_RESETS = (b"\x1b[0m", b"\x1b[m", b"\x1b[0;")
_NEAR = 4096


class ColourIndex(Protocol):
    """Knows the colours that are open at some offsets of a log."""

    def find_open_style(self, offset: int) -> tuple[int, TextStyle]:
        """Returns the last offset at or before this one for which the open colours are known, and the colours."""


def find_last_reset(data: bytes | bytearray, end: int) -> int:
    """Returns the position of the last sequence before `end` that resets all colours; -1 if there is none."""
    if data.find(b"\x1b", 0, end) < 0:
        return -1
    near = _find_reset(data, max(0, end - _NEAR), end)
    return near if near >= 0 else _find_reset(data, 0, end)


def _find_reset(data: bytes | bytearray, start: int, end: int) -> int:
    last = -1
    for code in _RESETS:
        position = data.rfind(code, max(start, last), end + len(code) - 1)
        while position >= 0 and not _match_sgr(data, position):  # the beginning of another sequence
            position = data.rfind(code, max(start, last), position)
        last = max(last, position)
    return last


def apply_colours(style: TextStyle, data: bytes | bytearray, end: int) -> TextStyle:
    """Returns the style after the colour sequences that begin before `end`."""
    reset = find_last_reset(data, end)
    if reset >= 0:
        style = PLAIN
    elif data.find(b"\x1b", 0, end) < 0:
        return style
    for found in _iter_sgr(data, max(0, reset), min(len(data), end + LONGEST_SEQUENCE)):
        if found.start() >= end:
            break
        style = apply_sgr(style, found[1])
    return style
