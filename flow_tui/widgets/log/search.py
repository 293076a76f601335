"""The search of a log view: starts one search at a time, goes to its matches, counts and marks them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from textual.await_complete import AwaitComplete
from textual.widget import Widget

from flow_core.errors import ConfigError
from flow_core.logs.search.log_search import SearchMatch
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchTimeout
from flow_tui.widgets.log.matches import NO_MATCH, SEARCHING, LogMatches
from flow_tui.widgets.log.painter import LinePainter
from flow_tui.widgets.workers import start_worker

_GROUPS = ("search", "matches", "marks")
_RECOUNT_S = 1.0
_RECOUNT_REST = 2
"""A count begins again after so many times as long as the last one took."""


class LogViewSearch:
    """A search that runs its workers in `view`. It calls `report` with a status and whether it is a problem, `show`
    with a match to bring into view, and `redraw` after a change of marks."""

    def __init__(
        self,
        view: Widget,
        *,
        report: Callable[[str, bool], None],
        show: Callable[[SearchMatch], None],
        redraw: Callable[[], None],
    ) -> None:
        self._view = view
        self._report = report
        self._show = show
        self._redraw = redraw
        self._matches: LogMatches | None = None
        self._painter: LinePainter | None = None
        self._is_counting = False

    @property
    def match(self) -> SearchMatch | None:
        """The current match; None if there is none."""
        return None if self._matches is None else self._matches.current

    @property
    def is_started(self) -> bool:
        return self._matches is not None

    @property
    def match_offset(self) -> int | None:
        """The offset in the file of the current match; None if there is none."""
        return None if self.match is None else self.match.offset

    def start(self, painter: LinePainter, pattern: str, *, literal: bool, is_backward: bool = False) -> None:
        """Searches from the top of the view on, or backward from its end. Reports an invalid pattern."""
        try:
            self._open(painter, SearchQuery(pattern, literal), is_backward=is_backward)
        except ConfigError as error:
            self._report(error.message, True)
            return
        self.go_on(forward=True)

    def cover_view(self) -> None:
        """Searches what the view shows now, if that is another stream or other lines. Goes to no match."""
        matches, painter = self._matches, self._painter
        if matches is not None and painter is not None and matches.searched != painter.searched:
            self.clear()
            self._open(painter, matches.query, is_backward=matches.is_backward)

    def go_on(self, *, forward: bool) -> None:
        """Goes to the next match in the direction of the search, or against it, if a search has been started."""
        if self._matches is None or self._painter is None:
            return
        find = partial(self._find, self._matches, self._painter, forward=forward != self._matches.is_backward)
        start_worker(self._view, find, group="search", exclusive=True)

    def clear(self) -> None:
        """Ends the search, and removes its marks."""
        matches, painter = self._matches, self._painter
        if matches is None:
            return
        for group in _GROUPS:
            self._view.workers.cancel_group(self._view, group)
        matches.kill()  # the worker does not run if the view goes away now
        start_worker(self._view, matches.close, group="search-end")
        self._matches = self._painter = None
        self._is_counting = False
        if painter is not None:
            painter.matches = None
        self._redraw()

    def end(self) -> AwaitComplete:
        """Ends the search as `clear` does. Awaiting the result waits until its child processes have ended."""
        matches = self._matches
        self.clear()
        return AwaitComplete(*([matches.close()] if matches else []))

    def forget_places(self) -> None:
        """Forgets the current match, after lines have got other offsets. The search goes on from what is in view."""
        if self._matches is not None:
            self._view.workers.cancel_group(self._view, "search")
            self._matches.forget_places()

    def note_drawn(self, height: int) -> None:
        """Finds the missing marks of the lines in view, and counts what is new. Call it after every redraw."""
        matches, painter = self._matches, self._painter
        if matches is None or painter is None:
            return
        if matches.needs_count(painter.log.size):
            self._count_on()
        if not matches.is_marking and (texts := painter.list_unmarked_texts(height)):
            matches.is_marking = True
            start_worker(self._view, partial(self._mark, matches, texts), group="marks")

    def _open(self, painter: LinePainter, query: SearchQuery, *, is_backward: bool) -> None:
        """Begins to count. Raises ConfigError if the query is invalid."""
        matches = LogMatches(painter.make_search(query), query, painter.searched, is_backward=is_backward)
        self._matches, self._painter, painter.matches = matches, painter, matches
        self._count_on()

    def _count_on(self) -> None:
        if self._matches is not None and not self._is_counting:
            self._is_counting = True
            start_worker(self._view, partial(self._count, self._matches), group="matches", exclusive=True)

    async def _find(self, matches: LogMatches, painter: LinePainter, *, forward: bool) -> None:
        self._update_status(matches, SEARCHING)
        try:
            match, is_wrapped = await matches.find(self._find_position(matches, painter, forward), forward=forward)
            if match is None:
                self._update_status(matches, NO_MATCH, is_problem=True)
                return
            self._show(match)
            wrapped = f"search continued from the {'start' if forward else 'end'}"
            self._update_status(matches, wrapped if is_wrapped else "")
            await matches.find_number()
            self._report(matches.status, matches.is_problem)
        except SearchTimeout as error:
            self._update_status(matches, error.message, is_problem=True)

    def _find_position(self, matches: LogMatches, painter: LinePainter, forward: bool) -> tuple[int, int]:
        """Returns where to search from: the current match if it is in view, else the first or the last row in view."""
        lines = painter.window.get_lines(self._view.size.height)
        current = matches.current
        if current is not None and (not lines or any(line.offset == current.offset for line, _ in lines)):
            return (current.offset, current.start + forward)
        if not lines:
            return (painter.window.top.offset, 0)
        return (lines[0][0].offset, 0) if forward else (lines[-1][0].offset + 1, 0)

    async def _count(self, matches: LogMatches) -> None:
        began = time.monotonic()
        async with aclosing(matches.count()) as steps:
            async for _ in steps:
                self._report(matches.status, matches.is_problem)
        try:
            await matches.find_number()
            self._report(matches.status, matches.is_problem)
        except SearchTimeout:
            pass  # the step to the match reports it
        # A log that grows fast is not counted on for each frame, and many logs take longer.
        await asyncio.sleep(max(_RECOUNT_S, _RECOUNT_REST * (time.monotonic() - began)))
        self._is_counting = False
        self._redraw()

    async def _mark(self, matches: LogMatches, texts: list[str]) -> None:
        try:
            await matches.find_marks(texts)
        finally:
            matches.is_marking = False
        self._redraw()

    def _update_status(self, matches: LogMatches, note: str, *, is_problem: bool = False) -> None:
        matches.note(note, is_problem=is_problem)
        self._report(matches.status, matches.is_problem)
