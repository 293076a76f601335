"""What a merged log needs of each of its logs: the shown lines, by position."""

from __future__ import annotations

from typing import Protocol

from flow_core.logs.shown.line import ShownLine


class LineSource(Protocol):
    """The shown lines of one log. Every call uses bounded time and memory and may run on an event loop."""

    @property
    def size(self) -> int:
        """The number of bytes of the log at the last `refresh`."""

    def refresh(self) -> bool:
        """Checks the log again; returns whether it has changed."""

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns up to `count` lines in order, from the line that shows the byte at `offset` on.

        Returns fewer lines only at the end of the log.
        """

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order; none only at the start of the log."""

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
