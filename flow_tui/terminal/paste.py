"""Pasted text to bytes that can't do more than be text."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\t\r")


def encode_paste(text: str, *, is_bracketed: bool) -> bytes:
    """The paste with line breaks as Enter sends them, and without ESC or any other control character."""
    lines = text.replace("\r\n", "\r").replace("\n", "\r")
    safe = "".join(c for c in lines if c in _KEPT or unicodedata.category(c) not in ("Cc", "Cs"))
    pasted = safe.encode()
    return b"\x1b[200~" + pasted + b"\x1b[201~" if is_bracketed else pasted


def would_run(text: str) -> bool:
    """True where an unbracketed paste would be taken as commands: it holds a line break."""
    return "\n" in text or "\r" in text
