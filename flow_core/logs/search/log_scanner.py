"""Searches a log block by block. Runs in the child process of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flow_core.logs.search.block_reader import BlockReader
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.match_blocks import MatchBlock

_FIRST_WINDOW, _LARGEST_WINDOW = 1 << 16, 1 << 22
Progress = Callable[[int, int], None]
Count = tuple[int, bool]


class LogScanner:
    """A search in one log. It calls `progress` after each block, with the offset it has reached and the matches so far.

    A range of offsets contains the lines from the first boundary in it to the first boundary after it, so that ranges
    that follow each other contain each line once.
    """

    def __init__(self, reader: BlockReader[MatchBlock], progress: Progress) -> None:
        self._reader = reader
        self._progress = progress

    def find_next(self, offset: int, column: int) -> FoundMatch | None:
        """Returns the first match at or after a column of the line at `offset`."""
        return next((found for found in self.iter_from(offset) if found[:2] >= (offset, column)), None)

    def iter_from(self, offset: int) -> Iterator[FoundMatch]:
        """Yields the matches from the line at `offset` on."""
        self._reader.refresh()
        for block in self._iter_blocks(offset, self._reader.size):
            yield from block.iter_matches()

    def find_previous(self, offset: int, column: int) -> FoundMatch | None:
        """Returns the last match before a column of the line at `offset`."""
        reader = self._reader
        reader.refresh()
        low, window = min(offset + 1, reader.size), _FIRST_WINDOW
        stop = reader.find_boundary(low, reader.size)
        while low > 0:
            high, low = low, max(0, low - window)
            if (start := reader.find_boundary(low, high)) < high:
                if (found := self._find_last(start, stop, (offset, column))) is not None:
                    return found
                stop = start
            window = min(2 * window, _LARGEST_WINDOW)
        return None

    def count(self, start: int, stop: int, size: int) -> list[Count]:
        """Returns for each range of this size the number of matches, and whether no later output can change it."""
        self._reader.refresh()
        counts: list[Count] = []
        for position in range(start, stop, size):
            before = sum(count for count, _ in counts)
            counts.append(self._count_range(position, min(position + size, stop, self._reader.size), before))
        return counts

    def count_before(self, start: int, offset: int, column: int) -> int | None:
        """Returns the number of matches from the first line of a range to a column of the line at `offset`.

        Returns None if that line belongs to the range before.
        """
        reader = self._reader
        reader.refresh()
        first = reader.find_boundary(start, reader.size)
        if first > offset:
            return None
        count = 0
        for block in self._iter_blocks(first, reader.find_boundary(offset + 1, reader.size)):
            count += sum(1 for found in block.iter_matches() if found[:2] < (offset, column))
        return count

    def _count_range(self, start: int, stop: int, before: int) -> Count:
        reader = self._reader
        if (first := reader.find_boundary(start, stop)) >= stop:
            return 0, True
        end, count = reader.find_boundary(stop, reader.size), 0
        for reached, block in reader.iter_blocks(first, end):
            count += block.count()
            self._progress(reached, before + count)
        return count, reader.is_final_before(end)

    def _find_last(self, start: int, stop: int, before: tuple[int, int]) -> FoundMatch | None:
        last = None
        for block in self._iter_blocks(start, stop):
            for found in block.iter_matches():
                if found[:2] >= before:
                    return last
                last = found
        return last

    def _iter_blocks(self, start: int, stop: int) -> Iterator[MatchBlock]:
        for reached, block in self._reader.iter_blocks(start, stop):
            yield block
            self._progress(reached, 0)
