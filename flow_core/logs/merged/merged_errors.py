"""Finds the next and the previous error of merged logs."""

from __future__ import annotations

import asyncio

from flow_core.logs.filtered.error_finder import ErrorFinder
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.source import MergedSource


class MergedErrors:
    """The errors of the shown logs of `lines`, with the calls of an `ErrorFinder`. Offsets are those of `lines`.

    Each log that is shown has a child process, which starts with the first call. The owner must close it.
    """

    def __init__(self, lines: MergedLines, stream: int | None = None, *, expands_redraws: bool = False) -> None:
        self._lines = lines
        self._stream = stream
        self._expands_redraws = expands_redraws
        self._finders: dict[int, ErrorFinder] = {}

    async def next(self, offset: int) -> int | None:
        """Returns the offset of the first error that begins after `offset`. Raises SearchTimeout."""
        places = self._find_places(offset)
        return await self._choose({number: place - 1 for number, place in places.items()}, is_forward=True)

    async def previous(self, offset: int) -> int | None:
        """Returns the offset of the last error that begins before `offset`. Raises SearchTimeout."""
        return await self._choose(self._find_places(offset - 1), is_forward=False)

    async def close(self) -> None:
        """Ends the child processes; a waiting call raises SearchTimeout. Calling it again is safe."""
        await asyncio.gather(*(finder.close() for finder in self._finders.values()))

    def _find_places(self, offset: int) -> dict[int, int]:
        """Returns the offset in each shown log at which the lines after `offset` begin."""
        line = self._lines.line_at(offset) if offset >= 0 else None
        details = None if line is None else self._lines.get_details(line.offset)
        shown = [(number, source) for number, source in enumerate(self._lines.merged.sources) if source.is_shown]
        if details is None:
            return {number: 0 if offset < 0 else source.size for number, source in shown}
        return {number: details.end.offsets[number] for number, _ in shown}

    async def _choose(self, places: dict[int, int], *, is_forward: bool) -> int | None:
        """Finds the nearest error in each log, and returns the offset of the nearest one of them."""
        sources = self._lines.merged.sources
        found = await asyncio.gather(*(self._find(number, place, is_forward) for number, place in places.items()))
        pairs = [(number, at) for number, at in zip(places, found, strict=True) if at is not None]
        known = [(sources[number].find_order_us(at), number, at) for number, at in pairs]
        if not known:
            return None
        _, number, at = (min if is_forward else max)(known)
        return self._lines.find_offset_of(number, at)

    async def _find(self, number: int, place: int, is_forward: bool) -> int | None:
        finder = self._open(number, self._lines.merged.sources[number])
        return await (finder.next(place) if is_forward else finder.previous(place))

    def _open(self, number: int, source: MergedSource) -> ErrorFinder:
        if number not in self._finders:
            self._finders[number] = ErrorFinder(source.files, self._stream, expands_redraws=self._expands_redraws)
        return self._finders[number]
