"""Lines of a log that were found where the log is stored, on another machine. They are matched on this machine."""

from __future__ import annotations

from typing import NamedTuple


class LineRequest(NamedTuple):
    """What to find: lines from the offset `start` on with `text`, at most `limit`, and `context` lines around each.

    `text` is in lower case with `ignores_case`.
    """

    text: bytes
    ignores_case: bool
    start: int
    limit: int
    context: int


class StoredLine(NamedTuple):
    """A raw line without its newline, or its beginning. `number` counts the lines from where the search began.

    `has_text` is false for a line that only surrounds others.
    """

    number: int
    offset: int
    raw: bytes
    has_text: bool


class StoredLines(NamedTuple):
    """Lines in order. `searched` is the start of the last line that was read. `is_cut`: there are more lines."""

    lines: tuple[StoredLine, ...]
    searched: int
    is_cut: bool


NO_LINES = StoredLines((), 0, False)
