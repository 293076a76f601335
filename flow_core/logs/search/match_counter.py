"""Counts the matches of a query in a growing log with several child processes, and tells how far it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_core.logs.search.search_calls import SearchCalls

RANGE = 16 << 20
_STEP_S = 0.1
_RANGES_PER_CALL, _CALLS_AHEAD = 4, 8


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """The matches in the first `searched` of `total` bytes."""

    matches: int
    searched: int
    total: int

    @property
    def is_complete(self) -> bool:
        return self.searched >= self.total


class MatchCounter:
    """The number of matches in each range of a log. It keeps one number per 16 MiB."""

    def __init__(self, path: Path, processes: Sequence[SearchCalls]) -> None:
        self._path = path
        self._processes = processes
        self._counts: list[int] = []
        """The matches in each range, from the start of the log on."""
        self._final = 0
        """How many of these later output can't change."""
        self._size = 0

    async def count(self) -> AsyncGenerator[SearchProgress, None]:
        """Yields the progress, at least ten times a second, up to the current end of the log.

        Calling it again counts only what may have changed. Raises SearchTimeout. Read it under `aclosing`.
        """
        total = self._measure()
        del self._counts[self._final :]
        matches, searched = sum(self._counts), len(self._counts) * RANGE
        yield SearchProgress(matches, searched, total)
        async with aclosing(self._count_ranges(searched, total)) as ranges:
            async for reached, so_far, counts in ranges:
                if counts is None:
                    yield SearchProgress(matches + so_far, min(max(searched, reached), total), total)
                    continue
                for count, is_final in counts:
                    self._counts.append(count)
                    self._final += is_final and self._final == len(self._counts) - 1
                matches, searched = matches + so_far, reached
                yield SearchProgress(matches, searched, total)

    def list_before(self, offset: int) -> list[int] | None:
        """Returns the counts of the whole ranges before an offset; None if the count has not come that far."""
        ranges = offset // RANGE
        return self._counts[:ranges] if ranges <= len(self._counts) else None

    def _measure(self) -> int:
        """Returns the size of the log. Forgets the counts of a log that was cut short."""
        try:
            size = os.stat(self._path).st_size
        except OSError:
            size = 0
        if size < self._size:
            self._final = 0
        self._size = size
        return size

    async def _count_ranges(self, start: int, total: int) -> AsyncGenerator[tuple[int, int, list[Any] | None], None]:
        """Yields (end, matches, counts) of some ranges, in order, and (reached, matches, None) while they are counted.

        The count of a range is [matches, whether later output can't change it].
        """
        pending = iter(range(start, total, _RANGES_PER_CALL * RANGE))
        running: list[_RangeCount] = []
        try:
            while self._start_more(running, pending, total):
                first = running[0]
                if first.task.done():
                    counts = first.task.result()
                    yield first.stop, sum(count for count, _ in counts), counts
                    del running[0]
                    continue
                unfinished = [one.task for one in running if not one.task.done()]
                done, _ = await asyncio.wait(unfinished, timeout=_STEP_S, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    yield first.reached, first.matches, None
        finally:
            for one in running:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in running), return_exceptions=True)

    def _start_more(self, running: list[_RangeCount], pending: Iterator[int], total: int) -> bool:
        """Starts a call on each process that is free. Returns whether one is left."""
        busy = {one.process for one in running if not one.task.done()}
        for process in self._processes:
            if process not in busy and len(running) < _CALLS_AHEAD and (start := next(pending, None)) is not None:
                running.append(_RangeCount(process, start, min(start + _RANGES_PER_CALL * RANGE, total)))
        return bool(running)


class _RangeCount:
    """The count of some ranges, and how far it is."""

    def __init__(self, process: SearchCalls, start: int, stop: int) -> None:
        self.process = process
        self.stop = stop
        self.reached, self.matches = start, 0
        self.task: asyncio.Task[list[Any]] = asyncio.create_task(
            process.call("count", start, stop, RANGE, on_progress=self._note)
        )

    def _note(self, progress: dict[str, Any]) -> None:
        self.reached, self.matches = progress["offset"], progress["matches"]
