"""Makes foreign text safe as a label: it can't break lines, reorder text, or control the terminal."""

from __future__ import annotations

import re

UNSAFE = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff"
"""The characters that no label may contain, as the inside of a character class."""
is_unsafe = re.compile(f"[{UNSAFE}]").search


def escape_controls(text: str) -> str:
    """Replaces control characters by their pictures, and characters that reorder text or break lines by U+FFFD."""
    if not is_unsafe(text):
        return text
    return "".join(control_picture(char) if is_unsafe(char) else char for char in text)


def control_picture(char: str) -> str:
    """Returns the replacement of one unsafe character."""
    code = ord(char)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
