"""Converts bytes of a log to the text that is shown, line by line: without controls, in as many lines as there are.

Only for lines that change no other line; `log_scanner` finds those that do.
"""

from __future__ import annotations

import re
import unicodedata

from flow_core.logs.ansi import to_plain_text
from flow_core.logs.escape import UNSAFE

PLAIN = bytes((*range(0x20, 0x7F), 0x0A))
"""The bytes that are shown as they are."""

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_is_special = re.compile(f"[{UNSAFE}{_INVISIBLE}]").search
_has_special_line = re.compile(f"[{UNSAFE}{_INVISIBLE}](?<!\n)").search
_iter_other_starts = re.compile(r"^[^\x00-\x7f]", re.MULTILINE).finditer
_drop_colours = re.compile(r"\x1b\[[0-9;:]*m").sub


def to_shown_line(raw: bytes) -> str:
    """Converts one line, which may end with its newline."""
    return _to_shown_line(raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace"))


def to_shown_text(raw: bytes) -> str:
    """Converts whole lines. The result has as many newlines."""
    text = raw.decode("utf-8", "replace")
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    if "\x1b" in text:
        text = _drop_colours("", text)
    if not _has_special_line(text) and not _has_combining_start(text):
        return text
    return "\n".join(_to_shown_line(line) for line in text.split("\n"))


def _to_shown_line(line: str) -> str:
    if line.isascii() and "\x1b" in line:
        line = _drop_colours("", line)
    return to_plain_text(line) if _is_special(line) or _has_combining_start(line) else line


def _has_combining_start(text: str) -> bool:
    """Returns whether a line begins with a character that combines with the one before it, and so is not shown."""
    return not text.isascii() and any(
        unicodedata.category(found[0]) in ("Mn", "Me", "Cf") for found in _iter_other_starts(text)
    )
