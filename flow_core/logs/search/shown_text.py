"""Converts bytes of a log to the text that is shown. For lines that change no other line; `quiet_lines` finds them."""

from __future__ import annotations

import re
import unicodedata

from flow_core.logs.escape import UNSAFE
from flow_core.logs.shown.screen import LiveScreen

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_find_special = re.compile(f"[{UNSAFE}{_INVISIBLE}](?<!\n)").search
_iter_other_starts = re.compile(r"^[^\x00-\x7f]", re.MULTILINE).finditer
_drop_colours = re.compile(r"\x1b\[[0-9;:]*m").sub


def to_shown_line(raw: bytes, *, is_simple: bool = False) -> str:
    """Converts one line without its newline. `is_simple`: only colours and the first character may act on others."""
    text = _decode(raw.removesuffix(b"\r"))
    if not (_has_combining_start(text) if is_simple else _needs_screen(text)):
        return text.rstrip(" ")
    screen = LiveScreen(0)
    screen.feed(raw + b"\n")
    return "".join(run for run, _ in screen.stack.get_row(0).to_runs()).rstrip(" ")


def to_shown_text(raw: bytes) -> str:
    """Converts whole lines. The result has as many newlines."""
    text = _decode(raw.replace(b"\r\n", b"\n"))
    if _needs_screen(text):
        return "\n".join(map(to_shown_line, raw.split(b"\n")))
    return "\n".join([line.rstrip(" ") for line in text.split("\n")]) if " \n" in text or text[-1:] == " " else text


def _decode(raw: bytes) -> str:
    """Decodes lines and drops their colours."""
    text = raw.decode("utf-8", "replace")
    return _drop_colours("", text) if "\x1b" in text else text


def _needs_screen(text: str) -> bool:
    """Returns whether a control or a character acts on other characters.

    A character that combines with the one before it is not shown at the beginning of a line.
    """
    if text.isascii() and text.isprintable():
        return False
    return bool(_find_special(text)) or any(_is_combining(found[0]) for found in _iter_other_starts(text))


def _has_combining_start(line: str) -> bool:
    return line[:1] > "\x7f" and _is_combining(line[0])


def _is_combining(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me", "Cf")
