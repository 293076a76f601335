"""Converts one line to harmless text with colours, as a terminal would show it. The result can't move a cursor.

Carriage return, backspace, tab and erase-to-end act as on a terminal with one endless row. SGR sets colours until the
line ends. Every other escape sequence is dropped. The remaining control characters become pictures; characters that
reorder text or break lines become U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, repeat

from flow_core.logs.escape import UNSAFE, control_picture, is_unsafe

Colour = int | tuple[int, int, int]
"""A palette number (0 to 255) or red, green, blue."""


@dataclass(frozen=True, slots=True)
class TextStyle:
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
TAB = 8
_TOKEN = re.compile(
    r"\x1b\[(?P<params>[0-?]*)[ -/]*(?P<final>[@-~]?)"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b(?:[ -/]*[0-~])?"
    f"|(?P<control>[{UNSAFE}])"
    f"|(?P<text>[^{UNSAFE}]+)"
)

_Cells = list[tuple[str, TextStyle]]


def to_plain_text(text: str) -> str:
    """Returns one line as a terminal would show it, without colours."""
    return "".join(run for run, _ in to_styled_runs(text))


def to_styled_runs(text: str) -> list[tuple[str, TextStyle]]:
    """Returns one line as a terminal would show it, in runs of equal style."""
    if not is_unsafe(text):
        return [(text, PLAIN)] if text else []
    row = _Row()
    for token in _TOKEN.finditer(text):
        row.take(token)
    return [
        ("".join(char for char, _ in cells), style) for style, cells in groupby(row.cells, key=lambda cell: cell[1])
    ]


class _Row:
    """One endless row of a terminal. A wide character takes two cells; the second one is empty."""

    def __init__(self) -> None:
        self.cells: _Cells = []
        self._column = 0
        self._style = PLAIN

    def take(self, token: re.Match[str]) -> None:
        if text := token["text"]:
            self._write(text)
        elif control := token["control"]:
            self._apply_control(control)
        elif token["final"] == "m":
            self._style = _style_after(self._style, token["params"])
        elif token["final"] == "K":
            self._erase(token["params"])

    def _apply_control(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control == "\t":
            self._write(" " * (TAB - self._column % TAB))
        elif control != "\x07":
            self._write(control_picture(control))

    def _erase(self, params: str) -> None:
        if params in ("", "0"):
            self._clip(self._column)
        elif params == "2":
            self.cells.clear()

    def _write(self, text: str) -> None:
        if (missing := self._column - len(self.cells)) > 0:
            self.cells.extend(repeat((" ", PLAIN), missing))
        if text.isascii():
            self._put(list(zip(text, repeat(self._style))))
            return
        for char in text:
            if width := _width(char):
                self._put([(char, self._style), ("", self._style)][:width])
            elif self._column:
                self._combine(char)

    def _put(self, cells: _Cells) -> None:
        end = self._column + len(cells)
        self._blank_halves(self._column, end)
        self.cells[self._column : end] = cells
        self._column = end

    def _combine(self, char: str) -> None:
        column = self._column - 1
        while column > 0 and not self.cells[column][0]:
            column -= 1
        base, style = self.cells[column]
        self.cells[column] = (base + char, style)

    def _clip(self, column: int) -> None:
        self._blank_halves(column, len(self.cells))
        del self.cells[column:]

    def _blank_halves(self, start: int, end: int) -> None:
        """Replaces the remaining half of a wide character by a space when its other half is overwritten."""
        if 0 < start < len(self.cells) and not self.cells[start][0]:
            self.cells[start - 1] = (" ", self.cells[start - 1][1])
        if end < len(self.cells) and not self.cells[end][0]:
            self.cells[end] = (" ", self.cells[end][1])


@lru_cache(maxsize=4096)
def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


@lru_cache(maxsize=1024)
def _style_after(style: TextStyle, params: str) -> TextStyle:
    """Returns the style after an SGR sequence. Ignores an invalid one."""
    if not re.fullmatch(r"[0-9;:]*", params):
        return style
    codes = iter([int(code[:4] or 0) for code in re.split("[;:]", params)])
    for code in codes:
        style = _apply_code(style, code, codes)
    return style


_SWITCHES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


def _apply_code(style: TextStyle, code: int, rest: Iterator[int]) -> TextStyle:
    if code == 0:
        return PLAIN
    if code in _SWITCHES:
        return replace(style, **{_SWITCHES[code]: True})
    if code in _OFF:
        return replace(style, **dict.fromkeys(_OFF[code], False))
    if 30 <= code <= 39 or 90 <= code <= 97:
        return replace(style, foreground=_find_colour(code, 30, style.foreground, rest))
    if 40 <= code <= 49 or 100 <= code <= 107:
        return replace(style, background=_find_colour(code, 40, style.background, rest))
    return style


def _find_colour(code: int, base: int, now: Colour | None, rest: Iterable[int]) -> Colour | None:
    number = code - base
    if number == 8:
        return _parse_extended_colour(now, iter(rest))
    if number == 9:
        return None
    return number if number < 8 else number - 60 + 8


def _parse_extended_colour(now: Colour | None, rest: Iterator[int]) -> Colour | None:
    """Returns the colour after 38 or 48: 5;N of the palette, or 2;R;G;B."""
    kind = next(rest, None)
    values = [next(rest, 256) for _ in range({5: 1, 2: 3}.get(kind or 0, 0))]
    if not values or max(values) > 255:
        return now
    return values[0] if kind == 5 else (values[0], values[1], values[2])
