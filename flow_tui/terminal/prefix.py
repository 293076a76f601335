"""The one key that a shell does not get, and what the key after it asks for."""

from __future__ import annotations

from enum import StrEnum

RELEASE_KEY = "ctrl+right_square_bracket"
"""ctrl+], as Textual calls it."""


class Keys(StrEnum):
    """Who gets the next key: the shell, our prefix, or copy mode."""

    SHELL = "shell"
    PREFIX = "prefix"
    COPY = "copy"


class Command(StrEnum):
    """What a user asks of the pane rather than of the shell."""

    LEAVE = "leave"
    PANE = "pane"
    COPY_MODE = "copy mode"
    NEXT = "next"
    PREVIOUS = "previous"
    ANOTHER = "another"
    REOPEN = "reopen"
    CLOSE = "close"
    ZOOM = "zoom"
    RECORD = "record"
    ALLOW_COPY = "allow copy"
    REFUSE_COPY = "refuse copy"
    HELP = "help"


AFTER_PREFIX = {
    "[": Command.COPY_MODE,
    "n": Command.NEXT,
    "p": Command.PREVIOUS,
    "c": Command.ANOTHER,
    "k": Command.CLOSE,
    "z": Command.ZOOM,
    "r": Command.RECORD,
    "y": Command.ALLOW_COPY,
    "x": Command.REFUSE_COPY,
    "?": Command.HELP,
}
AFTER_END = {"enter": Command.REOPEN, "k": Command.CLOSE}
"""What the keys mean once the shell is over."""
