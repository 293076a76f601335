"""Colours and attributes of text, and the SGR sequences that set them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

Colour = int | tuple[int, int, int]
"""A palette number (0 to 255) or red, green, blue."""


class TextStyle(NamedTuple):
    """Colours and attributes of text, before any theme. `None` is the default colour."""

    foreground: Colour | None = None
    background: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    blink: bool = False
    reverse: bool = False
    strike: bool = False
    hidden: bool = False


PLAIN = TextStyle()

_VALID = re.compile(rb"[0-9;:]*\Z")
_ON = {
    1: "bold",
    2: "dim",
    3: "italic",
    4: "underline",
    5: "blink",
    6: "blink",
    7: "reverse",
    8: "hidden",
    9: "strike",
    21: "underline",
}
_OFF = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    25: ("blink",),
    27: ("reverse",),
    28: ("hidden",),
    29: ("strike",),
}
_EXTENDED = (38, 48, 58)
"""The codes before a colour of the palette or of RGB: of the text, of the background, of the underline."""


@lru_cache(maxsize=2048)
def apply_sgr(style: TextStyle, params: bytes) -> TextStyle:
    """Returns the style after `CSI params m`. Ignores the parts of a sequence that are not valid."""
    if not _VALID.match(params):
        return style
    parts = iter(params.decode("ascii").split(";"))
    for part in parts:
        style = _apply_part(style, part, parts)
    return style


def _apply_part(style: TextStyle, part: str, rest: Iterator[str]) -> TextStyle:
    if ":" in part:
        return _apply_colons(style, [_number(text) for text in part.split(":")])
    code = _number(part)
    if code == 0:
        return PLAIN
    if code in _EXTENDED:
        colour = _read_extended(rest)
        return style if colour is None else _set_colour(style, code, colour)
    return _apply_code(style, code)


def _apply_code(style: TextStyle, code: int) -> TextStyle:
    if code in _ON:
        return style._replace(**{_ON[code]: True})
    if code in _OFF:
        return style._replace(**dict.fromkeys(_OFF[code], False))
    if code in (39, 49):
        return _set_colour(style, code - 1, None)
    for base in (30, 40):
        if base <= code <= base + 7:
            return _set_colour(style, base + 8, code - base)
        if base + 60 <= code <= base + 67:
            return _set_colour(style, base + 8, code - base - 52)
    return style


def _apply_colons(style: TextStyle, codes: list[int]) -> TextStyle:
    """Applies one parameter with subparameters, such as 4:3 (curly underline) or 38:2::R:G:B."""
    if codes[0] == 4:
        return style._replace(underline=codes[1] != 0)
    if codes[0] not in _EXTENDED or len(codes) < 3:
        return style
    if codes[1] == 5:
        colour = _check_colour(codes[2:3])
    else:  # after 2, the number of a colour space may come first
        colour = _check_colour(codes[3:6] if len(codes) > 5 else codes[2:5]) if codes[1] == 2 else None
    return style if colour is None else _set_colour(style, codes[0], colour)


def _read_extended(rest: Iterator[str]) -> Colour | None:
    """Reads the colour after 38, 48 or 58: 5;N of the palette, or 2;R;G;B."""
    kind = _number(next(rest, ""))
    count = {5: 1, 2: 3}.get(kind, 0)
    return _check_colour([_number(next(rest, "256")) for _ in range(count)])


def _check_colour(values: list[int]) -> Colour | None:
    if len(values) not in (1, 3) or max(values) > 255:
        return None
    return values[0] if len(values) == 1 else (values[0], values[1], values[2])


def _set_colour(style: TextStyle, code: int, colour: Colour | None) -> TextStyle:
    """Sets the colour that a code of `_EXTENDED` stands for. The colour of the underline is not shown."""
    if code == 38:
        return style._replace(foreground=colour)
    return style._replace(background=colour) if code == 48 else style


def _number(text: str) -> int:
    return int(text[:4] or 0) if ":" not in text else 0
