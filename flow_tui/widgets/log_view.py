"""A log as it grows: opens at its end whatever its size, follows, scrolls, searches. Reads files, keeps no lines."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass

from textual import work
from textual.await_complete import AwaitComplete
from textual.message import Message

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import ConfigError, FlowError
from flow_core.logs.file_watcher import POLL_S, FileWatcher
from flow_core.logs.follow import CompletionCheck, IsComplete
from flow_core.logs.line_counter import LineCounter
from flow_core.logs.search import SearchQuery, SearchTimeout
from flow_tui.widgets.announcing import announce
from flow_tui.widgets.log_finder import SEARCHING, LogFinder
from flow_tui.widgets.log_painter import LogPainter
from flow_tui.widgets.log_scroll import LogScroll
from flow_tui.widgets.log_window import LogWindow

_COUNT_EVERY_S = 0.5


class LogView(LogScroll):
    """One log. Keys are attached by whoever owns the keymap: there are only actions."""

    @dataclass
    class Counted(Message):
        """So many lines were counted so far; the last count once `is_complete`."""

        view: LogView
        lines: int
        is_complete: bool

    @dataclass
    class Searched(Message):
        """What became of a search, as a sentence; empty when there is nothing to say."""

        view: LogView
        said: str
        is_problem: bool = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._files: SpoolFiles | None = None
        self._finder: LogFinder | None = None
        self._index: LineCounter | None = None
        self._shown = asyncio.Event()

    @property
    def line_count(self) -> int:
        """Lines counted so far."""
        return self._index.line_count if self._index else 0

    def open(self, files: SpoolFiles | None, is_complete: IsComplete | None = None) -> None:
        """Shows the end of this log and follows it; `None` shows nothing. Without `is_complete` it never ends."""
        self._leave()
        self._files, self._over, self._left = files, False, 0
        self.following = True
        if files is not None:
            self._painter = LogPainter(files, self._format(), self._palette())
            self._painter.window.stream = self.stream
            self._painter.window.refresh()
            self._index = LineCounter(files.log)
            self._follow(self._painter.window)
            self._count(self._index)
            if is_complete is not None:
                self._await_completion(CompletionCheck(is_complete))
        self._redraw()

    def find(self, pattern: str, *, literal: bool = False) -> None:
        """Searches from the top of the view on. A bad pattern is told by `Searched`."""
        self.clear_search()
        if self._files is None or self._painter is None or not pattern:
            return
        try:
            self._finder = self._painter.finder = LogFinder(self._files.log, SearchQuery(pattern, literal))
        except ConfigError as error:
            announce(self, self.Searched(self, error.message, is_problem=True))
            return
        self._search(self._finder, forward=True)
        self._count_matches(self._finder)

    def clear_search(self) -> None:
        """Ends a search that runs, and unmarks what it found."""
        if self._finder is not None:
            for group in ("search", "matches", "marks"):
                self.workers.cancel_group(self, group)
            self._end_search(self._finder)
            self._finder = None
            if self._painter is not None:
                self._painter.finder = None
            self._redraw()

    def end_search(self) -> AwaitComplete:
        """As `clear_search`; awaiting it returns once no child of it is left."""
        finder = self._finder
        self.clear_search()
        return AwaitComplete(*([finder.close()] if finder else []))

    def action_next_match(self) -> None:
        if self._finder is not None:
            self._search(self._finder, forward=True)

    def action_previous_match(self) -> None:
        if self._finder is not None:
            self._search(self._finder, forward=False)

    async def on_unmount(self) -> None:
        await self.end_search()
        self._leave()

    def on_show(self) -> None:
        self._shown.set()

    def on_hide(self) -> None:
        self._shown.clear()

    @work(group="follow", exclusive=True)
    async def _follow(self, window: LogWindow) -> None:
        """Looks at the file while the view is in sight, until the log is complete: new bytes, one frame."""
        with closing(FileWatcher(window.path)) as watch:
            while not self._over:
                await self._shown.wait()
                if window.refresh():
                    self._redraw()
                    await asyncio.sleep(POLL_S)
                await watch.wait_for_change()
        window.refresh()
        self._redraw()

    @work(group="completion", exclusive=True)
    async def _await_completion(self, completion: CompletionCheck) -> None:
        try:
            await completion.wait()
        except FlowError:
            pass  # a log that its provider no longer knows stays as it is
        self._over = True

    @work(group="count", exclusive=True)
    async def _count(self, index: LineCounter) -> None:
        counted = -1
        while True:
            await self._shown.wait()
            over = self._over
            await index.catch_up()
            if index.line_count != counted or over:
                counted = index.line_count
                announce(self, self.Counted(self, counted, over))
            if over:
                return
            await asyncio.sleep(_COUNT_EVERY_S)

    @work(group="search", exclusive=True)
    async def _search(self, finder: LogFinder, *, forward: bool) -> None:
        if self._painter is None:
            return
        window = self._painter.window
        position = window.top.offset if finder.match is None else finder.match.offset + forward
        self._say(finder, SEARCHING)
        try:
            match, over = await finder.find_shown(
                position, window.stamps, self.stream, forward=forward, size=window.reader.size
            )
        except SearchTimeout as error:
            self._say(finder, str(error), is_problem=True)
            return
        if match is None:
            self._say(finder, "no match", is_problem=True)
            return
        finder.match = match
        self._show_match(window, match.offset)
        self._say(finder, ("from the start" if forward else "from the end") if over else "")

    @work(group="matches", exclusive=True)
    async def _count_matches(self, finder: LogFinder) -> None:
        await finder.count()
        self._tell_search(finder)

    def _say(self, finder: LogFinder, progress: str, *, is_problem: bool = False) -> None:
        finder.note(progress, is_problem=is_problem)
        self._tell_search(finder)

    def _tell_search(self, finder: LogFinder) -> None:
        """Matches and their number are found at the same time, and none may hide what the other has said."""
        announce(self, self.Searched(self, finder.said, is_problem=finder.is_problem))

    @work(group="marks")
    async def _mark(self, finder: LogFinder, texts: list[str]) -> None:
        try:
            await finder.mark(texts)
        finally:
            finder.is_marking = False
        self._redraw()

    @work(group="search-end")
    async def _end_search(self, finder: LogFinder) -> None:
        await finder.close()

    def _show_match(self, window: LogWindow, offset: int) -> None:
        self.following = False
        if not any(line.offset <= offset < line.end for line, _ in window.lines(self.size.height)):
            window.to_offset(offset, self.size.height // 3)
            window.settle(self.size.height)
        self._redraw()

    @property
    def _is_held(self) -> bool:
        return self._finder is not None and self._finder.match is not None

    def _leave(self) -> None:
        """Lets go of the log that is open."""
        self.clear_search()
        for group in ("follow", "completion", "count"):
            self.workers.cancel_group(self, group)
        if self._painter is not None:
            self._painter.close()
        self._painter = self._index = None

    def _redrawn(self) -> None:
        finder, painter = self._finder, self._painter
        if finder is None or painter is None or finder.is_marking:
            return
        if missing := painter.unmarked(self.size.height):
            finder.is_marking = True
            self._mark(finder, missing)
