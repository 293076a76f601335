"""The search of a log view: starts a query, goes to matches, and has them marked. One query at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.await_complete import AwaitComplete
from textual.widget import Widget

from flow_core.errors import ConfigError
from flow_core.logs.search import SearchQuery, SearchTimeout
from flow_tui.widgets.log.painter import LogPainter
from flow_tui.widgets.log.query import SEARCHING, LogQuery
from flow_tui.widgets.workers import start_worker

_GROUPS = ("search", "matches", "marks")


class LogViewSearch:
    """Runs its workers in `view`. Calls `report` with a status and whether it is a problem, `show` with the offset of
    a match that is to come into view, and `redraw` for other marks."""

    def __init__(
        self,
        view: Widget,
        *,
        report: Callable[[str, bool], None],
        show: Callable[[int], None],
        redraw: Callable[[], None],
    ) -> None:
        self._view = view
        self._report = report
        self._show = show
        self._redraw = redraw
        self._query: LogQuery | None = None
        self._painter: LogPainter | None = None

    @property
    def match_offset(self) -> int | None:
        """Where in the file the match starts that the search stands on; None while there is none."""
        return None if self._query is None or self._query.match is None else self._query.match.offset

    def start(self, painter: LogPainter, pattern: str, *, literal: bool) -> None:
        """Search from the top of the view on. Reports a bad pattern."""
        try:
            query = LogQuery(painter.window.path, SearchQuery(pattern, literal))
        except ConfigError as error:
            self._report(error.message, True)
            return
        self._query, self._painter, painter.query = query, painter, query
        self.go_on(forward=True)
        start_worker(self._view, partial(self._count, query), group="matches", exclusive=True)

    def go_on(self, *, forward: bool) -> None:
        """Go to the next or the previous match, if there is a query."""
        if (query := self._query) is not None and (painter := self._painter) is not None:
            find = partial(self._find, query, painter, forward=forward)
            start_worker(self._view, find, group="search", exclusive=True)

    def clear(self) -> None:
        """End the query, and unmark its matches."""
        query, painter = self._query, self._painter
        if query is None:
            return
        for group in _GROUPS:
            self._view.workers.cancel_group(self._view, group)
        start_worker(self._view, query.close, group="search-end")
        self._query = self._painter = None
        if painter is not None:
            painter.query = None
        self._redraw()

    def end(self) -> AwaitComplete:
        """As `clear`; awaiting it returns once no child process of the query is left."""
        query = self._query
        self.clear()
        return AwaitComplete(*([query.close()] if query else []))

    def mark_lines(self, height: int) -> None:
        """Find what to mark in the lines in view, unless that is known or being found. Call it after every redraw."""
        query, painter = self._query, self._painter
        if query is None or painter is None or query.is_marking:
            return
        if texts := painter.unmarked(height):
            query.is_marking = True
            start_worker(self._view, partial(self._mark, query, texts), group="marks")

    async def _find(self, query: LogQuery, painter: LogPainter, *, forward: bool) -> None:
        window = painter.window
        position = window.top.offset if query.match is None else query.match.offset + forward
        self._note(query, SEARCHING)
        try:
            match, is_wrapped = await query.find_shown(
                position, window.stamps, window.stream, forward=forward, size=window.reader.size
            )
        except SearchTimeout as error:
            self._note(query, str(error), is_problem=True)
            return
        if match is None:
            self._note(query, "no match", is_problem=True)
            return
        query.match = match
        self._show(match.offset)
        self._note(query, ("from the start" if forward else "from the end") if is_wrapped else "")

    async def _count(self, query: LogQuery) -> None:
        await query.count()
        self._report(query.status, query.is_problem)

    async def _mark(self, query: LogQuery, texts: list[str]) -> None:
        try:
            await query.mark(texts)
        finally:
            query.is_marking = False
        self._redraw()

    def _note(self, query: LogQuery, progress: str, *, is_problem: bool = False) -> None:
        query.note(progress, is_problem=is_problem)
        self._report(query.status, query.is_problem)
