"""Searches many logs at once: those on this machine in child processes, others where they are stored."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.log_id import LogId
from flow_core.logs.search.hit_scanner import LINE_CHARACTERS
from flow_core.logs.search.line_matcher import find_required_text
from flow_core.logs.search.log_hits import LogHit, LogHits
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchProcess
from flow_core.logs.search.shown_text import to_shown_line
from flow_core.logs.search.stored_lines import LineRequest, StoredLine, StoredLines

_LOGS_AT_ONCE = 4
_PROCESSES = 2
_REQUESTS_PER_LOG = 20
_NO_FILES = SpoolFiles(Path(os.devnull), Path(os.devnull))


class LogStore(Protocol):
    """The logs of a context, as the LogFacet of a provider has them."""

    async def open(self, address: LogId) -> SpoolFiles:
        """Returns the spool of a log on this machine."""

    async def find_lines(self, address: LogId, request: LineRequest | None) -> StoredLines | None:
        """Finds lines where the log is stored; None if it is on this machine."""


class MultiLogQuery(NamedTuple):
    """A search in many logs: at most `limit` hits of each, from the offset on that `since` has for it."""

    query: SearchQuery
    context: int
    limit: int
    since: Mapping[LogId, int]


class MultiLogSearch:
    """A search in the logs of one context: four at a time, two of them on this machine. It can be run once."""

    def __init__(self, store: LogStore, request: MultiLogQuery) -> None:
        request.query.check()
        self._store = store
        self._request = request
        self._text = find_required_text(request.query)
        self._processes = [SearchProcess(_NO_FILES, request.query) for _ in range(_PROCESSES)]
        self._free: asyncio.Queue[SearchProcess] = asyncio.Queue()
        for process in self._processes:
            self._free.put_nowait(process)

    async def run(self, logs: AsyncGenerator[LogId | LogHits, None]) -> AsyncGenerator[LogHits, None]:
        """Yields the result for each log as soon as it is ready. Passes on what is a result already."""
        running: set[asyncio.Task[Any]] = set()
        upcoming: asyncio.Task[Any] | None = asyncio.create_task(_get_next(logs))
        try:
            while running or upcoming:
                has_room = upcoming is not None and len(running) < _LOGS_AT_ONCE
                waiting = running | {upcoming} if has_room and upcoming else running
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if upcoming in done and upcoming is not None:
                    done.discard(upcoming)
                    log = upcoming.result()
                    upcoming = None if log is None else asyncio.create_task(_get_next(logs))
                    if log is not None:
                        running.add(asyncio.create_task(self._search(log)))
                for task in done:
                    running.discard(task)
                    yield task.result()
        finally:
            for process in self._processes:
                process.kill()  # at once: a second cancellation may end the waiting below
            tasks = [*running, *([upcoming] if upcoming else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await logs.aclose()
            for process in self._processes:
                await process.close()

    async def _search(self, log: LogId | LogHits) -> LogHits:
        if isinstance(log, LogHits):
            return log
        start = max(0, self._request.since.get(log, 0))
        try:
            return await self._search_there(log, start) or await self._search_here(log, start)
        except FlowError as error:
            return LogHits(log, searched=start, not_searched=error.message)

    async def _search_here(self, log: LogId, start: int) -> LogHits:
        files, request = await self._store.open(log), self._request
        reply = await self._call("hits", str(files.log), str(files.sidecar), start, request.limit, request.context)
        hits = (
            LogHit(offset, text, _to_spans(spans), tuple(before), tuple(after))
            for offset, text, spans, before, after in reply["hits"]
        )
        return LogHits(log, tuple(hits), reply["searched"], reply["is_cut"])

    async def _search_there(self, log: LogId, start: int) -> LogHits | None:
        """Searches a log that is stored on another machine; returns None if it is on this one."""
        search, request = self._request, None
        if self._text:
            request = LineRequest(self._text, search.query.ignores_case, start, search.limit, search.context)
        hits: list[LogHit] = []
        found = await self._store.find_lines(log, request)
        for _ in range(_REQUESTS_PER_LOG):
            if found is None or request is None:
                return None
            hits += await self._match(found)
            if not found.is_cut or len(hits) >= search.limit:
                break
            request = request._replace(start=found.searched)
            found = await self._store.find_lines(log, request)
        return LogHits(log, tuple(hits[: search.limit]), found.searched, found.is_cut) if found else None

    async def _match(self, found: StoredLines) -> list[LogHit]:
        """Runs the pattern on the lines that have its text."""
        texts = [to_shown_line(line.raw)[:LINE_CHARACTERS] for line in found.lines]
        candidates = [index for index, line in enumerate(found.lines) if line.has_text]
        matches = await self._call("spans", *(texts[index] for index in candidates))
        return [
            self._make_hit(found.lines, texts, index, spans)
            for index, spans in zip(candidates, matches, strict=True)
            if spans
        ]

    def _make_hit(
        self, lines: Sequence[StoredLine], texts: Sequence[str], index: int, spans: Sequence[Sequence[int]]
    ) -> LogHit:
        number, context = lines[index].number, self._request.context
        near = range(max(0, index - context), min(len(lines), index + context + 1))
        before = tuple(texts[one] for one in near if number - context <= lines[one].number < number)
        after = tuple(texts[one] for one in near if number < lines[one].number <= number + context)
        return LogHit(lines[index].offset, texts[index], _to_spans(spans), before, after)

    async def _call(self, call: str, *arguments: Any) -> Any:
        process = await self._free.get()
        try:
            return await process.call(call, *arguments)
        finally:
            self._free.put_nowait(process)


async def _get_next(logs: AsyncGenerator[LogId | LogHits, None]) -> LogId | LogHits | None:
    return await anext(logs, None)


def _to_spans(spans: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, last) for first, last in spans)
