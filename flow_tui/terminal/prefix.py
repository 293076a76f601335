"""The prefix key, which the shell does not get, and the commands of the keys after it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

RELEASE_KEY = "ctrl+right_square_bracket"
"""Textual's name of ctrl+]."""


class KeyTarget(StrEnum):
    """The target of the next key: the shell, a command after the prefix, or copy mode."""

    SHELL = "shell"
    PREFIX = "prefix"
    COPY_MODE = "copy mode"


class Command(StrEnum):
    """A command of the user for the pane instead of the shell."""

    LEAVE = "leave"
    SEND = "send"
    PANE = "pane"
    COPY_MODE = "copy mode"
    NEXT = "next"
    PREVIOUS = "previous"
    ANOTHER = "another"
    KEEP = "keep"
    DETACH = "detach"
    REOPEN = "reopen"
    CLOSE = "close"
    ZOOM = "zoom"
    RECORD = "record"
    ALLOW_COPY = "allow copy"
    REFUSE_COPY = "refuse copy"
    HELP = "help"
    STOP = "stop opening"


class PrefixKey(NamedTuple):
    """A key after the prefix, its command, and its texts for the help page."""

    key: str
    command: Command
    label: str
    tooltip: str


PREFIX_KEYS = (
    PrefixKey("[", Command.COPY_MODE, "copy", "Scroll back, search and copy text"),
    PrefixKey("n", Command.NEXT, "next", "Show the next shell"),
    PrefixKey("p", Command.PREVIOUS, "previous", "Show the previous shell"),
    PrefixKey("c", Command.ANOTHER, "new shell", "Open another shell on the same node"),
    PrefixKey("t", Command.KEEP, "persistent", "Open the persistent shell of the same node (tmux)"),
    PrefixKey("d", Command.DETACH, "detach", "Close the tab of a persistent shell; its programs continue"),
    PrefixKey("k", Command.CLOSE, "close", "Close the shell, also a persistent one; asks first while it is open"),
    PrefixKey("z", Command.ZOOM, "zoom", "Show this pane in full size, or all panes again"),
    PrefixKey("r", Command.RECORD, "record", "Start and end a recording"),
    PrefixKey("y", Command.ALLOW_COPY, "allow copy", "Allow this shell to put text on your clipboard"),
    PrefixKey("x", Command.REFUSE_COPY, "forbid copy", "Forbid this shell to put text on your clipboard"),
    PrefixKey("?", Command.HELP, "help", "List these keys"),
)
AFTER_PREFIX = {row.key: row.command for row in PREFIX_KEYS}
REOPEN_KEY = "enter"
"""The key that reopens an ended shell. It is no letter, because the user may still be typing."""
