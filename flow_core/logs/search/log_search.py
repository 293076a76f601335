"""A search in one log: steps from match to match, and counts all matches, in child processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchProcess

SPANS_TIMEOUT_S = 1.0
_RANGE = 16 << 20
_COUNTERS = 2 if (os.cpu_count() or 1) > 1 else 1


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """A match: the offset of its shown line, and its start and end in characters of the text of that line."""

    offset: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """The matches in the first `searched` of `total` bytes."""

    matches: int
    searched: int
    total: int

    @property
    def is_complete(self) -> bool:
        return self.searched >= self.total


class LogSearch:
    """One query in one log that may grow. A position is the offset of a shown line and a column in characters.

    With `stream`, it finds only lines that begin on this stream. Steps, counts and marks have child processes of their
    own, so that none waits for another. Cancelling a call ends it within some ms. The owner must close the search.
    """

    def __init__(self, files: SpoolFiles, query: SearchQuery, stream: int | None = None) -> None:
        query.check()
        self.query = query
        self._files = files
        self._finder = SearchProcess(files, query, stream)
        self._marker = SearchProcess(files, query, stream)
        self._counters = [SearchProcess(files, query, stream) for _ in range(_COUNTERS)]
        self._counts: list[int] = []
        """The matches in each whole range of the log, from its start on."""
        self._size = 0

    async def next(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the first match that starts at or after `position`. Raises SearchTimeout."""
        return _to_match(await self._finder.call("next", *position))

    async def previous(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the last match that starts before `position`. Raises SearchTimeout."""
        return _to_match(await self._finder.call("previous", *position))

    async def count(self) -> AsyncGenerator[SearchProgress, None]:
        """Yields the number of matches, as the count advances to the end of the log.

        Calling it again, once the log has grown, counts only what was not counted before. Raises SearchTimeout. Read it
        under `aclosing`.
        """
        total = self._measure()
        yield SearchProgress(sum(self._counts), len(self._counts) * _RANGE, total)
        async with aclosing(self._count_ranges(total)) as counts:
            async for start, matches in counts:
                end = min(start + _RANGE, total)
                if end - start == _RANGE:
                    self._counts.append(matches)
                    yield SearchProgress(sum(self._counts), end, total)
                else:
                    yield SearchProgress(sum(self._counts) + matches, end, total)

    async def find_number(self, match: SearchMatch) -> int | None:
        """Returns the number of a match, counting from 1; None if the count has not come that far.

        Raises SearchTimeout.
        """
        ranges = match.offset // _RANGE
        if ranges > len(self._counts):
            return None
        before = await self._finder.call("count_before", ranges * _RANGE, match.offset, match.start)
        return sum(self._counts[:ranges]) + int(before) + 1

    async def spans(self, texts: Sequence[str], timeout_s: float = SPANS_TIMEOUT_S) -> list[list[tuple[int, int]]]:
        """Returns the first 500 matches in each text, as (start, end) in characters. Raises SearchTimeout."""
        found = await self._marker.call("spans", *texts, stuck_s=timeout_s)
        return [[(start, end) for start, end in spans] for spans in found]

    async def close(self) -> None:
        """Ends the child processes; a waiting call raises SearchTimeout. Calling it again is safe."""
        for process in (self._finder, self._marker, *self._counters):
            await process.close()

    def _measure(self) -> int:
        """Returns the size of the log. Drops the counts of a log that was cut short."""
        try:
            size = os.stat(self._files.log).st_size
        except OSError:
            size = 0
        if size < self._size:
            self._counts.clear()
        self._size = size
        return size

    async def _count_ranges(self, total: int) -> AsyncGenerator[tuple[int, int], None]:
        """Yields (start, matches) of each range that was not counted before, in order."""
        starts = range(len(self._counts) * _RANGE, total, _RANGE)
        running: list[asyncio.Task[int]] = []
        try:
            for index, start in enumerate(starts):
                if len(running) == len(self._counters):
                    yield starts[index - len(running)], await running.pop(0)
                process = self._counters[index % len(self._counters)]
                running.append(asyncio.create_task(process.call("count", start, min(start + _RANGE, total))))
            while running:
                yield starts[len(starts) - len(running)], await running.pop(0)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _to_match(found: list[int] | None) -> SearchMatch | None:
    return None if found is None else SearchMatch(*found)
