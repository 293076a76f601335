"""The lines of a log or of several merged logs, by offset."""

from __future__ import annotations

from typing import Protocol

from flow_core.logs.shown.line import ShownLine


class LogLines(Protocol):
    """Lines in the order of their offsets. The end of each line is the offset of the next one, if none is left out.

    Each call takes bounded time and memory and may run on an event loop.
    """

    @property
    def size(self) -> int:
        """The end of the last line when the files were last checked."""

    def refresh(self) -> bool:
        """Checks the files again; returns whether they have changed."""

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains `offset`; None at the end."""

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them the line that contains `offset`."""

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
