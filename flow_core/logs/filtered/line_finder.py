"""Finds the next and the previous line that passes filters. Runs in a child process."""

from __future__ import annotations

from collections.abc import Callable

from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.filtered.log_ranges import LogRanges


class LineFinder:
    """A search for lines from a position on. It calls `progress` after each block."""

    def __init__(self, ranges: LogRanges, selector: LineSelector, progress: Callable[[], None]) -> None:
        self._ranges = ranges
        self._selector = selector
        self._progress = progress

    def find_next(self, offset: int) -> int | None:
        """Returns the offset of the first line that begins after `offset`."""
        self._ranges.refresh()
        line = self._ranges.log.line_at(max(0, offset))
        if line is None:
            return None
        for block in self._ranges.iter_range(line.offset, self._ranges.size):
            for start in self._selector.select(block):
                if start > offset:
                    return start
            self._progress()
        return None

    def find_previous(self, offset: int) -> int | None:
        """Returns the offset of the last line that begins before `offset`."""
        self._ranges.refresh()
        self._ranges.restart_windows()
        before = self._ranges.log.lines_before(offset, 1)
        low = before[0].end if before else 0
        while low > 0:
            low, blocks = self._ranges.read_before(low)
            for block in reversed(blocks):
                found = [start for start in self._selector.select(block) if start < offset]
                if found:
                    return found[-1]
            self._progress()
        return None
