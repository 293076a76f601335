"""The search of a log view: starts one query at a time, goes to its matches and marks them."""

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
    """A search that runs its workers in `view`. It calls `report` with a status and whether it is a problem, `show`
    with the offset of a match to bring into view, and `redraw` after a change of marks."""

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
        """The offset in the file of the current match; None if there is none."""
        return None if self._query is None or self._query.match is None else self._query.match.offset

    def start(self, painter: LogPainter, pattern: str, *, literal: bool) -> None:
        """Searches from the top of the view on. Reports an invalid pattern."""
        try:
            query = LogQuery(painter.window.path, SearchQuery(pattern, literal))
        except ConfigError as error:
            self._report(error.message, True)
            return
        self._query, self._painter, painter.query = query, painter, query
        self.go_on(forward=True)
        start_worker(self._view, partial(self._count, query), group="matches", exclusive=True)

    def go_on(self, *, forward: bool) -> None:
        """Goes to the next or the previous match, if there is a query."""
        if (query := self._query) is not None and (painter := self._painter) is not None:
            find = partial(self._find, query, painter, forward=forward)
            start_worker(self._view, find, group="search", exclusive=True)

    def clear(self) -> None:
        """Ends the query, and removes its marks."""
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
        """Ends the query as `clear` does. Awaiting the result waits until its child processes have ended."""
        query = self._query
        self.clear()
        return AwaitComplete(*([query.close()] if query else []))

    def mark_lines(self, height: int) -> None:
        """Starts to find the missing marks of the lines in view, unless it runs already. Call it after every redraw."""
        query, painter = self._query, self._painter
        if query is None or painter is None or query.is_marking:
            return
        if texts := painter.list_unmarked_texts(height):
            query.is_marking = True
            start_worker(self._view, partial(self._mark, query, texts), group="marks")

    async def _find(self, query: LogQuery, painter: LogPainter, *, forward: bool) -> None:
        window = painter.window
        position = window.top.offset if query.match is None else query.match.offset + forward
        self._update_status(query, SEARCHING)
        try:
            match, is_wrapped = await query.find_shown(
                position, window.stamps, window.stream, forward=forward, size=window.reader.size
            )
        except SearchTimeout as error:
            self._update_status(query, str(error), is_problem=True)
            return
        if match is None:
            self._update_status(query, "no match", is_problem=True)
            return
        query.match = match
        self._show(match.offset)
        self._update_status(query, f"search continued from the {'start' if forward else 'end'}" if is_wrapped else "")

    async def _count(self, query: LogQuery) -> None:
        await query.count()
        self._report(query.status, query.is_problem)

    async def _mark(self, query: LogQuery, texts: list[str]) -> None:
        try:
            await query.find_marks(texts)
        finally:
            query.is_marking = False
        self._redraw()

    def _update_status(self, query: LogQuery, progress: str, *, is_problem: bool = False) -> None:
        query.note(progress, is_problem=is_problem)
        self._report(query.status, query.is_problem)
