"""The one key that a shell does not get, and who gets the key after it."""

from __future__ import annotations

from enum import StrEnum

RELEASE_KEY = "ctrl+right_square_bracket"
"""ctrl+], as Textual calls it."""


class Keys(StrEnum):
    """Who gets the next key: the shell, our prefix, or the scrolled view."""

    SHELL = "shell"
    PREFIX = "prefix"
    SCROLL = "scroll"
