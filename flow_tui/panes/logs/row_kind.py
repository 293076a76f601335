"""What the input row of the logs pane asks for."""

from __future__ import annotations

from enum import Enum


class RowKind(Enum):
    """The mark before the input, and the text in an empty input."""

    SEARCH = ("/", "search; enter repeats the last one, up shows it")
    KEEP = ("&", "show only lines with this text; enter alone shows all")
    HIDE = ("^", "hide lines with this text; enter alone shows them")
    GO_TO = (":", "a line, or a time: 120, 14:05, 2026-01-02 14:05, -10m")
    PIPE = ("|", "a shell command that gets the text, such as grep -c loss")
    BOOKMARK = ("bookmark", "its name (optional)")


SEARCHES = (RowKind.SEARCH, RowKind.KEEP, RowKind.HIDE)
"""These take an exact text or a regular expression."""
