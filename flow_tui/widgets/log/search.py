"""The search of a log view: starts one search at a time, goes to its matches and marks them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.await_complete import AwaitComplete
from textual.widget import Widget

from flow_core.errors import ConfigError
from flow_core.logs.search import SearchQuery, SearchTimeout
from flow_tui.widgets.log.matches import SEARCHING, LogMatches
from flow_tui.widgets.log.painter import LogPainter
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
        self._matches: LogMatches | None = None
        self._painter: LogPainter | None = None

    @property
    def is_started(self) -> bool:
        return self._matches is not None

    @property
    def match_offset(self) -> int | None:
        """The offset in the file of the current match; None if there is none."""
        return None if self._matches is None or self._matches.current is None else self._matches.current.offset

    def start(self, painter: LogPainter, pattern: str, *, literal: bool) -> None:
        """Searches from the top of the view on. Reports an invalid pattern."""
        try:
            matches = LogMatches(painter.log.path, SearchQuery(pattern, literal))
        except ConfigError as error:
            self._report(error.message, True)
            return
        self._matches, self._painter, painter.matches = matches, painter, matches
        self.go_on(forward=True)
        start_worker(self._view, partial(self._count, matches), group="matches", exclusive=True)

    def go_on(self, *, forward: bool) -> None:
        """Goes to the next or the previous match, if a search has been started."""
        if (matches := self._matches) is not None and (painter := self._painter) is not None:
            find = partial(self._find, matches, painter, forward=forward)
            start_worker(self._view, find, group="search", exclusive=True)

    def clear(self) -> None:
        """Ends the search, and removes its marks."""
        matches, painter = self._matches, self._painter
        if matches is None:
            return
        for group in _GROUPS:
            self._view.workers.cancel_group(self._view, group)
        start_worker(self._view, matches.close, group="search-end")
        self._matches = self._painter = None
        if painter is not None:
            painter.matches = None
        self._redraw()

    def end(self) -> AwaitComplete:
        """Ends the search as `clear` does. Awaiting the result waits until its child processes have ended."""
        matches = self._matches
        self.clear()
        return AwaitComplete(*([matches.close()] if matches else []))

    def mark_lines(self, height: int) -> None:
        """Starts to find the missing marks of the lines in view, unless it runs already. Call it after every redraw."""
        matches, painter = self._matches, self._painter
        if matches is None or painter is None or matches.is_marking:
            return
        if texts := painter.list_unmarked_texts(height):
            matches.is_marking = True
            start_worker(self._view, partial(self._mark, matches, texts), group="marks")

    async def _find(self, matches: LogMatches, painter: LogPainter, *, forward: bool) -> None:
        window = painter.window
        position = window.top.offset if matches.current is None else matches.current.offset + forward
        self._update_status(matches, SEARCHING)
        try:
            match, is_wrapped = await matches.find_shown(position, painter.log.source, forward=forward)
        except SearchTimeout as error:
            self._update_status(matches, str(error), is_problem=True)
            return
        if match is None:
            self._update_status(matches, "no match", is_problem=True)
            return
        matches.current = match
        self._show(match.offset)
        wrapped = f"search continued from the {'start' if forward else 'end'}"
        self._update_status(matches, wrapped if is_wrapped else "")

    async def _count(self, matches: LogMatches) -> None:
        await matches.count()
        self._report(matches.status, matches.is_problem)

    async def _mark(self, matches: LogMatches, texts: list[str]) -> None:
        try:
            await matches.find_marks(texts)
        finally:
            matches.is_marking = False
        self._redraw()

    def _update_status(self, matches: LogMatches, progress: str, *, is_problem: bool = False) -> None:
        matches.note(progress, is_problem=is_problem)
        self._report(matches.status, matches.is_problem)
