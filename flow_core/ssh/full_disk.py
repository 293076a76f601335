"""Detects messages about a full disk."""

from __future__ import annotations

_FULL = ("no space left", "quota exceeded")


def is_full(text: str) -> bool:
    return any(phrase in text.lower() for phrase in _FULL)
