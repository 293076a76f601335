"""The lines of a filtered log without gaps between them, as they are merged with those of other logs."""

from __future__ import annotations

from pathlib import Path

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.filtered_log import FilteredLog
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.stream_bytes import StreamBytes


class GaplessLog:
    """A filtered log, which it owns. Each line ends where the next one begins.

    The first line begins at 0, and the last one ends at `size`.
    """

    def __init__(self, filtered: FilteredLog) -> None:
        self.filtered = filtered

    @property
    def path(self) -> Path:
        return self.filtered.path

    @property
    def files(self) -> SpoolFiles:
        return self.filtered.files

    @property
    def source(self) -> StreamBytes:
        return self.filtered.source

    @property
    def size(self) -> int:
        return self.filtered.size

    def refresh(self) -> bool:
        """As `FilteredLog.refresh`."""
        return self.filtered.refresh()

    def close(self) -> None:
        """As `FilteredLog.close`."""
        self.filtered.close()

    def copy(self) -> GaplessLog:
        """Returns the lines that were found so far, for another thread."""
        return GaplessLog(self.filtered.copy())

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them the one that contains `offset`."""
        first = self.filtered.lines_before(offset + 1, 1)
        following = self.filtered.lines_from(offset, count + 2)
        lines = first + [line for line in following if not first or line.offset > first[0].offset]
        return self._close_gaps(lines[: count + 1])[:count]

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order."""
        lines = self.filtered.lines_before(offset, count)
        if not lines:
            return []
        following = [line for line in self.filtered.lines_from(lines[-1].end, 2) if line.offset > lines[-1].offset]
        return self._close_gaps(lines + following[:1])[: len(lines)]

    def _close_gaps(self, lines: list[ShownLine]) -> list[ShownLine]:
        """Sets the ends of lines that follow each other. The end of the last one is right if it is the last of all."""
        if not lines:
            return []
        ends = [*(line.offset for line in lines[1:]), self.size]
        closed = [line._replace(end=end) for line, end in zip(lines, ends, strict=True)]
        if closed[0].offset and not self.filtered.lines_before(closed[0].offset, 1):
            closed[0] = closed[0]._replace(offset=0)
        return closed
