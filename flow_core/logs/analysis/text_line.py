"""A line of a log as the analysis reads it."""

from __future__ import annotations

from typing import NamedTuple


class TextLine(NamedTuple):
    """The text of one shown line. `offset` identifies the line in its log. `time` is in seconds since the epoch."""

    offset: int
    text: str
    time: float | None = None
