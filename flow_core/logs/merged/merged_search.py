"""A search in merged logs: steps from match to match in the order of the lines, and counts them in all logs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.search.log_search import LogSearch, SearchMatch
from flow_core.logs.search.match_counter import SearchProgress
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_calls import SearchCallSet, SharedCalls
from flow_core.logs.search.search_process import SearchProcess

PROCESSES = 2 if (os.cpu_count() or 1) > 1 else 1
"""The child processes for the steps, and those for the counts, whatever the number of logs is."""
_STEP_S = 0.1
_NO_FILES = SpoolFiles(Path(os.devnull), Path(os.devnull))
_AFTER_ALL = (1 << 62, 0)

ResultT = TypeVar("ResultT")
_Place = tuple[int, int]
"""The offset of a line in its log, and a column in characters."""


class MergedSearch:
    """One query in the shown logs of `lines`, with the calls of a `LogSearch`. Offsets are those of `lines`.

    At most five child processes search all logs. The owner must close the search.
    """

    def __init__(
        self,
        lines: MergedLines,
        query: SearchQuery,
        stream: int | None = None,
        filters: LogFilters = NO_FILTERS,
    ) -> None:
        query.check()
        self._lines = lines
        self._marker = SearchProcess(_NO_FILES, query, stream, filters)
        self._finders = [SearchProcess(_NO_FILES, query, stream, filters) for _ in range(PROCESSES)]
        self._counters = [SearchProcess(_NO_FILES, query, stream, filters) for _ in range(PROCESSES)]
        self._searches = [
            LogSearch(source.files, query, stream, calls=self._share(number, source.files))
            for number, source in enumerate(lines.merged.sources)
        ]
        self._progress: dict[int, SearchProgress] = {}
        self._found: dict[tuple[int, bool], _NearestMatch] = {}

    async def next(self, position: _Place) -> SearchMatch | None:
        """Returns the first match that starts at or after `position`. Raises SearchTimeout."""
        return await self._step(position, is_forward=True)

    async def previous(self, position: _Place) -> SearchMatch | None:
        """Returns the last match that starts before `position`. Raises SearchTimeout."""
        return await self._step(position, is_forward=False)

    async def count(self) -> AsyncGenerator[SearchProgress, None]:
        """Yields the number of matches so far in all shown logs, as `LogSearch.count` does. Raises SearchTimeout."""
        numbers = [number for number, source in self._list_shown() if not self._is_counted(number, source)]
        batches = [asyncio.create_task(self._count(numbers[first::PROCESSES])) for first in range(PROCESSES)]
        try:
            running = set(batches)
            while running:
                yield self._add_up()
                _, running = await asyncio.wait(running, timeout=_STEP_S)
            for batch in batches:
                batch.result()
            yield self._add_up()
        finally:
            await _cancel(batches)

    async def find_number(self, match: SearchMatch) -> int | None:
        """Returns the number of a match in the order of the lines, from 1; None if the counts have not come that far.

        Raises SearchTimeout.
        """
        places = self._find_places((match.offset, match.start))
        calls = (self._searches[number].find_number(SearchMatch(*place, 0)) for number, place in places.items())
        found = await _gather(calls)
        known = [one for one in found if one is not None]
        return sum(known) - len(known) + 1 if len(known) == len(found) else None

    async def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Returns the first 500 matches in each text, as (start, end) in characters. Raises SearchTimeout."""
        return await self._searches[0].spans(texts)

    def forget_places(self) -> None:
        """Must be called after logs were switched on or off or were ordered in another way."""
        self._found.clear()

    def kill(self) -> None:
        """Kills the child processes; a waiting call raises SearchTimeout. Await `close` later."""
        for process in (self._marker, *self._finders, *self._counters):
            process.kill()

    async def close(self) -> None:
        """Ends the child processes; a waiting call raises SearchTimeout. Calling it again is safe."""
        for process in (self._marker, *self._finders, *self._counters):
            await process.close()

    def _share(self, number: int, files: SpoolFiles) -> SearchCallSet:
        finder, counter = self._finders[number % PROCESSES], self._counters[number % PROCESSES]
        return SearchCallSet(SharedCalls(finder, files), self._marker, [SharedCalls(counter, files)])

    def _list_shown(self) -> list[tuple[int, MergedSource]]:
        return [(number, source) for number, source in enumerate(self._lines.merged.sources) if source.is_shown]

    async def _step(self, position: _Place, *, is_forward: bool) -> SearchMatch | None:
        places = self._find_places(position)
        found = await _gather(self._find(number, place, is_forward) for number, place in places.items())
        choose = min if is_forward else max
        best = choose((one for one in found if one is not None), key=lambda one: one.key, default=None)
        if best is None or best.match is None:
            return None
        offset = self._lines.find_offset_of(best.source, best.match.offset)
        return None if offset is None else SearchMatch(offset, best.match.start, best.match.end)

    async def _find(self, number: int, place: _Place, is_forward: bool) -> _NearestMatch | None:
        """Returns the nearest match in one log; None without any. Most steps search the log of the last match only."""
        source, known = self._lines.merged.sources[number], self._found.get((number, is_forward))
        if known is None or not known.is_valid(place, source, is_forward=is_forward):
            size, generation, search = source.size, source.generation, self._searches[number]
            match = await (search.next(place) if is_forward else search.previous(place))
            order_us = 0 if match is None else source.find_order_us(match.offset)
            known = self._found[number, is_forward] = _NearestMatch(number, place, match, order_us, size, generation)
        return None if known.match is None else known

    def _find_places(self, position: _Place) -> dict[int, _Place]:
        """Returns the place in each shown log at which a search from `position` begins."""
        offset, column = position
        shown = [number for number, _ in self._list_shown()]
        if offset >= self._lines.size or (line := self._lines.line_at(offset)) is None:
            return dict.fromkeys(shown, _AFTER_ALL)
        details = self._lines.get_details(line.offset)
        if details is None:
            return dict.fromkeys(shown, (0, 0))
        places = {number: (details.position.offsets[number], 0) for number in shown}
        places[details.source] = (details.line.offset + offset - line.offset, column)
        return places

    async def _count(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            async with aclosing(self._searches[number].count()) as steps:
                async for progress in steps:
                    self._progress[number] = progress

    def _is_counted(self, number: int, source: MergedSource) -> bool:
        progress = self._progress.get(number)
        return progress is not None and progress.searched == source.size

    def _add_up(self) -> SearchProgress:
        shown = self._list_shown()
        known = [self._progress.get(number, SearchProgress(0, 0, source.size)) for number, source in shown]
        return SearchProgress(
            sum(one.matches for one in known), sum(one.searched for one in known), sum(one.total for one in known)
        )


class _NearestMatch(NamedTuple):
    """The nearest match of a log from `start` on or before it, when the log had `size` bytes."""

    source: int
    start: _Place
    match: SearchMatch | None
    order_us: int
    size: int
    generation: int

    @property
    def key(self) -> tuple[int, int]:
        return self.order_us, self.source

    def is_valid(self, place: _Place, source: MergedSource, *, is_forward: bool) -> bool:
        """Returns whether it is also the nearest match from `place` on or before it."""
        if self.generation != source.generation or (self.match is None and self.size != source.size):
            return False
        if self.match is None:
            return self.start <= place if is_forward else place <= self.start
        found = (self.match.offset, self.match.start)
        return self.start <= place <= found if is_forward else found < place <= self.start


async def _gather(calls: Iterable[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """Awaits all calls; if one fails or this is cancelled, all have ended afterwards."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
