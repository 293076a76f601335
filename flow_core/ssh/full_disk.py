"""Detects messages about a full disk."""

from __future__ import annotations

_FULL = ("no space left", "quota exceeded")


def is_full(text: str) -> bool:
    return any(words in text.lower() for words in _FULL)
