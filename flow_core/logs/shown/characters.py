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

_INVISIBLE = frozenset("\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff")
"""A terminal shows nothing for these. They are dropped, so that a search finds the text that is seen."""

_is_unsafe = re.compile(f"[{UNSAFE}]").match


@lru_cache(maxsize=8192)
def get_width(char: str) -> int:
    """Returns the number of columns of a character: 0 for one that combines with the character before it."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


@lru_cache(maxsize=8192)
def make_safe(char: str) -> str:
    """Returns what is shown for a character: nothing if it is invisible, U+FFFD if it would reorder or break text."""
    if char in _INVISIBLE:
        return ""
    return "\ufffd" if _is_unsafe(char) else char
