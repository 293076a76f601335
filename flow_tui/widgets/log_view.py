"""A log as it grows: opens at its end whatever its size, follows, scrolls, searches. Reads files, keeps no lines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events, work
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive, var
from textual.strip import Strip
from textual.widget import Widget

from flow_core.errors import ConfigError, FlowError
from flow_core.logs.follow import POLL_S, Completion, IsComplete
from flow_core.logs.index import LineIndex
from flow_core.logs.search import Query, SearchTimeout
from flow_core.logs.spool import STDERR, STDOUT, SpoolFiles
from flow_tui.widgets.log_finder import LogFinder
from flow_tui.widgets.log_painter import Frame, LogPainter
from flow_tui.widgets.log_rows import Format, Palette
from flow_tui.widgets.log_window import LogWindow

_COUNT_EVERY_S = 0.5
_WHEEL_ROWS = 3
_SIDEWAYS = 8
_STREAMS: dict[int | None, str] = {None: "both", STDOUT: "stdout", STDERR: "stderr"}


class LogView(Widget, can_focus=True):
    """One log. Keys are attached by whoever owns the keymap: there are only actions."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--time",
        "log-view--stderr",
        "log-view--match",
        "log-view--note",
        "log-view--thumb",
    }
    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView > .log-view--time { color: $text-muted; }
    LogView > .log-view--stderr { color: $text-warning; }
    LogView > .log-view--match { background: $warning; color: $background; text-style: underline; }
    LogView > .log-view--note { color: $text-muted; }
    LogView > .log-view--thumb { background: $scrollbar; }
    """

    following: reactive[bool] = reactive(True, repaint=False)
    wrap: var[bool] = var(False)
    show_time: var[bool] = var(False)
    stream: var[int | None] = var(None)
    empty_text: reactive[str] = reactive("no output yet")

    @dataclass
    class FollowChanged(Message):
        """New lines are shown as they come, or no longer."""

        view: LogView
        following: bool

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
        self._painter: LogPainter | None = None
        self._files: SpoolFiles | None = None
        self._finder: LogFinder | None = None
        self._index: LineIndex | None = None
        self._over = False
        self._left = 0
        self._strips: list[Strip] = []
        self._shown = asyncio.Event()

    @property
    def line_count(self) -> int:
        """Lines counted so far."""
        return self._index.line_count if self._index else 0

    @property
    def stream_name(self) -> str:
        return _STREAMS[self.stream]

    def open(self, files: SpoolFiles | None, is_complete: IsComplete | None = None) -> None:
        """Shows the end of this log and follows it; `None` shows nothing. Without `is_complete` it never ends."""
        self._leave()
        self._files, self._over, self._left = files, False, 0
        self.following = True
        if files is not None:
            self._painter = LogPainter(files, self._format(), self._palette())
            self._painter.window.stream = self.stream
            self._painter.window.refresh()
            self._index = LineIndex(files.log)
            self._follow(self._painter.window)
            self._count(self._index)
            if is_complete is not None:
                self._await_completion(Completion(is_complete))
        self._redraw()

    def find(self, pattern: str, *, literal: bool = False) -> None:
        """Searches from the top of the view on. A bad pattern is told by `Searched`."""
        self.clear_search()
        if self._files is None or self._painter is None or not pattern:
            return
        try:
            self._finder = self._painter.finder = LogFinder(self._files.log, Query(pattern, literal))
        except ConfigError as error:
            self.post_message(self.Searched(self, error.message, is_problem=True))
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

    async def end_search(self) -> None:
        """As `clear_search`, and returns once no child of it is left."""
        finder = self._finder
        self.clear_search()
        if finder is not None:
            await finder.close()

    def action_follow(self) -> None:
        self.following = True
        if self._painter is not None:
            self._painter.window.refresh()
        self._redraw()

    def action_next_match(self) -> None:
        if self._finder is not None:
            self._search(self._finder, forward=True)

    def action_previous_match(self) -> None:
        if self._finder is not None:
            self._search(self._finder, forward=False)

    def action_toggle_wrap(self) -> None:
        self.wrap = not self.wrap

    def action_toggle_time(self) -> None:
        self.show_time = not self.show_time

    def action_cycle_stream(self) -> None:
        order = list(_STREAMS)
        self.stream = order[(order.index(self.stream) + 1) % len(order)]

    def action_scroll_up(self) -> None:
        self.scroll_rows(-1)

    def action_scroll_down(self) -> None:
        self.scroll_rows(1)

    def action_page_up(self) -> None:
        self.scroll_rows(1 - self.size.height)

    def action_page_down(self) -> None:
        self.scroll_rows(self.size.height - 1)

    def action_half_page_up(self) -> None:
        self.scroll_rows(-(self.size.height // 2))

    def action_half_page_down(self) -> None:
        self.scroll_rows(self.size.height // 2)

    def action_scroll_home(self) -> None:
        if self._painter is not None:
            self._painter.window.to_start()
            self.following = False
            self._redraw()

    action_scroll_end = action_follow

    def action_scroll_left(self) -> None:
        self._left = max(0, self._left - _SIDEWAYS)
        self._redraw()

    def action_scroll_right(self) -> None:
        self._left += 0 if self.wrap else _SIDEWAYS
        self._redraw()

    def scroll_rows(self, rows: int) -> None:
        """Scrolls, down where positive. Away from the end following stops; back at the end it goes on."""
        if self._painter is not None:
            self.following = self._painter.window.scroll(rows, self.size.height)
            self._redraw()

    def watch_following(self, following: bool) -> None:
        self.post_message(self.FollowChanged(self, following))

    def watch_wrap(self) -> None:
        self._left = 0
        self._restyle()

    def watch_show_time(self) -> None:
        self._restyle()

    def watch_stream(self) -> None:
        self._restyle()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._restyle()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.notify_style_update())

    async def on_unmount(self) -> None:
        await self.end_search()
        self._leave()

    def on_resize(self) -> None:
        self._restyle()

    def on_show(self) -> None:
        self._shown.set()

    def on_hide(self) -> None:
        self._shown.clear()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(_WHEEL_ROWS)

    def on_click(self, event: events.Click) -> None:
        """A click on the scroll bar goes to that part of the log."""
        offset = event.get_content_offset(self)
        if offset is None or offset.x != self.size.width - 1 or self._painter is None:
            return
        window = self._painter.window
        window.to_offset(window.reader.size * offset.y // max(1, self.size.height), 0)
        self.following = window.settle(self.size.height)
        self._redraw()

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    @work(group="follow", exclusive=True)
    async def _follow(self, window: LogWindow) -> None:
        """Looks at the file while the view is in sight, until the log is complete: new bytes, one frame."""
        while True:
            await self._shown.wait()
            over = self._over
            if window.refresh():
                self._redraw()
            if over:
                self._redraw()
                return
            await asyncio.sleep(POLL_S)

    @work(group="completion", exclusive=True)
    async def _await_completion(self, completion: Completion) -> None:
        try:
            await completion.wait()
        except FlowError:
            pass  # a log that its provider no longer knows stays as it is
        self._over = True

    @work(group="count", exclusive=True)
    async def _count(self, index: LineIndex) -> None:
        counted = -1
        while True:
            await self._shown.wait()
            over = self._over
            await index.catch_up()
            if index.line_count != counted or over:
                counted = index.line_count
                self.post_message(self.Counted(self, counted, over))
            if over:
                return
            await asyncio.sleep(_COUNT_EVERY_S)

    @work(group="search", exclusive=True)
    async def _search(self, finder: LogFinder, *, forward: bool) -> None:
        if self._painter is None:
            return
        window = self._painter.window
        position = window.top.offset if finder.match is None else finder.match.offset + forward
        self.post_message(self.Searched(self, "searching"))
        try:
            match, over = await finder.find_shown(
                position, window.stamps, self.stream, forward=forward, size=window.reader.size
            )
        except SearchTimeout as error:
            self.post_message(self.Searched(self, str(error), is_problem=True))
            return
        if match is None:
            self.post_message(self.Searched(self, "no match", is_problem=True))
            return
        finder.match = match
        self._show_match(window, match.offset)
        said = ("from the start" if forward else "from the end") if over else ""
        self.post_message(self.Searched(self, said))

    @work(group="matches", exclusive=True)
    async def _count_matches(self, finder: LogFinder) -> None:
        if lines := await finder.count():
            self.post_message(self.Searched(self, f"{lines:,} {'line matches' if lines == 1 else 'lines match'}"))

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

    def _leave(self) -> None:
        """Lets go of the log that is open."""
        self.clear_search()
        for group in ("follow", "completion", "count"):
            self.workers.cancel_group(self, group)
        if self._painter is not None:
            self._painter.close()
        self._painter = self._index = None

    def _restyle(self) -> None:
        """Draws everything anew, in another layout, theme or stream."""
        if self._painter is not None and self.is_mounted:
            self._painter.restyle(self._format(), self._palette(), self.stream)
            self.following = self.following or self._painter.window.settle(self.size.height)
        self._redraw()

    def _redraw(self) -> None:
        """Builds the rows in view and repaints those that are others than before."""
        if not self.is_mounted or not self.size:
            return
        strips = self._build()
        if len(strips) != len(self._strips):
            self.refresh()
        else:
            for y, (now, before) in enumerate(zip(strips, self._strips, strict=True)):
                if now != before:
                    self.refresh(Region(0, y, self.size.width, 1))
        self._strips = strips
        self._ask_marks()

    def _build(self) -> list[Strip]:
        width, height = self.size
        style = self.rich_style
        if self._painter is not None:
            if self.following:
                self._painter.window.to_end(height)
            bar = style + self.get_component_rich_style("log-view--thumb", partial=True)
            if strips := self._painter.paint(Frame(width, height, self._left, style, bar)):
                return strips
        said = Strip([Segment(" " + self._empty_line(), self._palette().note)]).adjust_cell_length(width, style)
        return [said, *[Strip.blank(width, style)] * (height - 1)]

    def _ask_marks(self) -> None:
        finder, painter = self._finder, self._painter
        if finder is None or painter is None or finder.is_marking:
            return
        if missing := painter.unmarked(self.size.height):
            finder.is_marking = True
            self._mark(finder, missing)

    def _empty_line(self) -> str:
        if self._painter is not None and self._painter.window.reader.size and self.stream is not None:
            return f"nothing on {self.stream_name}"
        return "no output" if self._over else self.empty_text

    def _format(self) -> Format:
        return Format(self.size.width - 1, self.wrap, self.show_time)

    def _palette(self) -> Palette:
        return Palette.of(
            self.rich_style, lambda name: self.get_component_rich_style(f"log-view--{name}", partial=True)
        )
