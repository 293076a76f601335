"""Characters of foreign text: how many columns each one takes, and which are shown."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from flow_core.logs.escape import UNSAFE

is_one_column_each = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u2319"
    "\u2500-\u25fc\u2713\u2714\u2716-\u2718\u2800-\u28ff]*\\Z"
).match
"""Matches text whose characters are safe, take one column each, and combine with no other character."""

_DROPPED = frozenset("\u00ad\u2028\u2029")
"""A terminal shows nothing for these, and other programs would count a column for them or break the line."""

_INVISIBLE = dict.fromkeys(map(ord, "\u061c\u200b\u200e\u200f\u2060\ufeff"))
"""A terminal keeps these with the character before them, and shows nothing for them."""

_SAFE = frozenset("\u061c\u200e\u200f")
"""Marks of the direction of one character. Unlike the other controls of direction, they reorder no other text."""

_is_unsafe = re.compile(f"[{UNSAFE}]").match


@lru_cache(maxsize=8192)
def get_width(char: str) -> int:
    """Returns the number of columns of a character: 0 for one that combines with the character before it."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


@lru_cache(maxsize=8192)
def make_safe(char: str) -> str:
    """Returns what is kept of a character: U+FFFD for one that would reorder or break text."""
    if char in _DROPPED:
        return ""
    return "\ufffd" if _is_unsafe(char) and char not in _SAFE else char


def drop_invisible(text: str) -> str:
    """Returns text without the characters that nobody can see, so that a search finds what is seen."""
    return text if text.isascii() else text.translate(_INVISIBLE)
