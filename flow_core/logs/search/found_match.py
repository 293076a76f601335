"""A match in a log."""

from __future__ import annotations

from typing import NamedTuple


class FoundMatch(NamedTuple):
    """The offset of the line of a match, and the start and end of the match in characters of the text of that line."""

    offset: int
    start: int
    end: int
