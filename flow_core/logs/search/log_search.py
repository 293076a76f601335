"""A search in one log: steps from match to match, counts and marks them, in child processes."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.match_counter import RANGE, MatchCounter, SearchProgress
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_calls import SearchCallSet
from flow_core.logs.search.search_process import SearchProcess

if TYPE_CHECKING:
    from flow_core.logs.filtered.line_filter import LogFilters

SPANS_TIMEOUT_S = 1.0
_COUNTERS = 2 if (os.cpu_count() or 1) > 1 else 1


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """A match: the offset of its shown line, and its start and end in characters of the text of that line."""

    offset: int
    start: int
    end: int


class LogSearch:
    """One query in one log that may grow. A position is the offset of a shown line and a column in characters.

    With `stream`, it finds only the text of this stream, and with `filters`, only matches in lines that pass. Steps,
    counts and marks have child processes of their own, so that none waits for another, unless `calls` gives it others.
    Cancelling a call ends it within some ms. The owner must close the search.
    """

    def __init__(
        self,
        files: SpoolFiles,
        query: SearchQuery,
        stream: int | None = None,
        *,
        filters: LogFilters | None = None,
        calls: SearchCallSet | None = None,
    ) -> None:
        query.check()
        self.query = query
        # A stream alone is read from its start, by one process.
        counters = _COUNTERS if stream is None else 1
        processes = [SearchProcess(files, query, stream, filters) for _ in range(0 if calls else 2 + counters)]
        self._finder, self._marker, self._counters = calls or SearchCallSet(processes[0], processes[1], processes[2:])
        self._counter = MatchCounter(files.log, self._counters)

    async def next(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the first match that starts at or after `position`. Raises SearchTimeout."""
        return _to_match(await self._finder.call("next", *position))

    async def previous(self, position: tuple[int, int]) -> SearchMatch | None:
        """Returns the last match that starts before `position`. Raises SearchTimeout."""
        return _to_match(await self._finder.call("previous", *position))

    def count(self) -> AsyncGenerator[SearchProgress, None]:
        """Yields the number of matches so far, at least ten times a second, up to the current end of the log.

        Calling it again, once the log has grown, counts only what is new. Raises SearchTimeout. Read it under
        `aclosing`, and by one reader at a time.
        """
        return self._counter.count()

    async def find_number(self, match: SearchMatch) -> int | None:
        """Returns the number of a match, counting from 1; None if the count has not come that far.

        Raises SearchTimeout.
        """
        counts = self._counter.list_before(match.offset)
        while counts is not None:
            before = await self._finder.call("count_before", len(counts) * RANGE, match.offset, match.start)
            if before is not None:
                return sum(counts) + int(before) + 1
            counts = counts[:-1]  # the line of the match belongs to the range before
        return None

    async def spans(self, texts: Sequence[str], timeout_s: float = SPANS_TIMEOUT_S) -> list[list[tuple[int, int]]]:
        """Returns the first 500 matches in each text, as (start, end) in characters. Raises SearchTimeout."""
        found = await self._marker.call("spans", *texts, stuck_s=timeout_s)
        return [[(start, end) for start, end in spans] for spans in found]

    def forget_places(self) -> None:
        """Does nothing: the offsets of a log never change."""

    def kill(self) -> None:
        """Kills the child processes; a waiting call raises SearchTimeout. Await `close` later."""
        for calls in (self._finder, self._marker, *self._counters):
            calls.kill()

    async def close(self) -> None:
        """Ends the child processes; a waiting call raises SearchTimeout. Calling it again is safe."""
        for calls in (self._finder, self._marker, *self._counters):
            await calls.close()


def _to_match(found: list[int] | None) -> SearchMatch | None:
    return None if found is None else SearchMatch(*found)
