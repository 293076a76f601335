"""A line of a log as a terminal shows it."""

from __future__ import annotations

from typing import NamedTuple

from flow_core.logs.text_style import TextStyle

Runs = tuple[tuple[str, TextStyle], ...]


class ShownLine(NamedTuple):
    """One line of the shown text.

    `offset` is the offset in the file of the byte that began the line. It identifies the line and never changes: a
    redrawn line keeps the offset of its first state. `end` is the offset of the next byte that begins a line; the
    bytes between `offset` and `end` may have redrawn lines above.
    `text` is the text of all `runs`. It may contain marks of direction, which nobody can see.
    `written_at` is the offset of the last bytes that changed the line: their time is the time of what is shown.
    `is_final` is false while later output can still change the line.
    """

    offset: int
    end: int
    written_at: int
    text: str
    runs: Runs
    is_final: bool = True
