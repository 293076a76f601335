"""The widget of a log: opens a log of any size at its end, follows, scrolls and searches. Keeps no lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.await_complete import AwaitComplete
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive, var
from textual.strip import Strip
from textual.widget import Widget

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles
from flow_core.logs.follow import IsComplete
from flow_tui.widgets.announce import announce
from flow_tui.widgets.log.follower import LogFollower
from flow_tui.widgets.log.painter import LogFrame, LogPainter
from flow_tui.widgets.log.rows import LogLayout, LogStyles
from flow_tui.widgets.log.search import LogViewSearch
from flow_tui.widgets.log.window import LogWindow
from flow_tui.widgets.styles import get_component_style

_WHEEL_ROWS = 3
_SIDEWAYS = 8
_STREAMS: dict[int | None, str] = {None: "both", STDOUT: "stdout", STDERR: "stderr"}


class LogView(Widget, can_focus=True):
    """A view of one log. It has actions and no keys; the owner of the keymap binds keys to the actions."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--time",
        "log-view--stderr",
        "log-view--match",
        "log-view--note",
        "log-view--thumb",
    }
    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView > .log-view--time { color: $muted; }
    LogView > .log-view--stderr { color: $text-warning; }
    LogView > .log-view--match { background: $warning; color: $background; text-style: underline; }
    LogView > .log-view--note { color: $muted; }
    LogView > .log-view--thumb { background: $scrollbar; }
    """

    following: reactive[bool] = reactive(True, repaint=False)
    wrap: var[bool] = var(False)
    show_time: var[bool] = var(False)
    stream: var[int | None] = var(None)
    empty_text: reactive[str] = reactive("No output yet.")
    merged_text: reactive[str] = reactive("")
    """Why no output is on stderr."""

    @dataclass
    class FollowChanged(Message):
        """The view starts or stops following the log."""

        view: LogView
        following: bool

    @dataclass
    class Counted(Message):
        """The number of lines so far. It is final if `is_complete`."""

        view: LogView
        lines: int
        is_complete: bool

    @dataclass
    class Searched(Message):
        """The status of a search, as a sentence; empty if there is nothing to report."""

        view: LogView
        status: str
        is_problem: bool = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._painter: LogPainter | None = None
        self._follower = LogFollower(self, redraw=self._redraw, counted=self._announce_count)
        self._search = LogViewSearch(self, report=self._announce_search, show=self._show_match, redraw=self._redraw)
        self._left = 0
        self._strips: list[Strip] = []
        self._kept_end: int | None = None
        """The size of the log while its end stays in view below a match; None if the end is not in view."""

    @property
    def stream_name(self) -> str:
        return _STREAMS[self.stream]

    def open(self, files: SpoolFiles | None, is_complete: IsComplete | None = None) -> None:
        """Shows the end of this log and follows it; None shows no log. Without `is_complete`, the log never ends."""
        self._close()
        self._left = 0
        self._kept_end = None
        self.following = True
        if files is not None:
            self._painter = LogPainter(files, self._make_layout(), self._make_styles())
            self._painter.set_stream(self.stream)
            self._painter.refresh()
            self._follower.start(self._painter, is_complete)
        self._redraw()

    def find(self, pattern: str, *, literal: bool = False) -> None:
        """Searches from the top of the view on. `Searched` reports the progress, or an invalid pattern."""
        self.clear_search()
        if self._painter is not None and pattern:
            self._search.start(self._painter, pattern, literal=literal)

    def clear_search(self) -> None:
        """Ends the search, and removes its marks."""
        self._search.clear()

    def end_search(self) -> AwaitComplete:
        """Ends the search as `clear_search` does. Awaiting the result waits until its child processes have ended."""
        return self._search.end()

    def action_next_match(self) -> None:
        self._search.go_on(forward=True)

    def action_previous_match(self) -> None:
        self._search.go_on(forward=False)

    def action_follow(self) -> None:
        self.following = True
        if self._painter is not None:
            self._painter.refresh()
        self._redraw()

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
            self._kept_end = None
            self._painter.window.move_to_start()
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
        """Scrolls, down if positive. Scrolling away from the end stops following; scrolling to the end resumes it."""
        if self._painter is not None and self.size:
            self._kept_end = None
            self.following = self._painter.window.scroll(rows, self.size.height)
            self._redraw()

    def watch_following(self, following: bool) -> None:
        announce(self, self.FollowChanged(self, following))

    def watch_wrap(self) -> None:
        self._left = 0
        self._restyle()

    def watch_show_time(self) -> None:
        self._restyle()

    def watch_stream(self) -> None:
        self._restyle()

    def watch_merged_text(self) -> None:
        self._redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._restyle()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.notify_style_update())

    async def on_unmount(self) -> None:
        await self.end_search()
        self._close()

    def on_show(self) -> None:
        self._follower.set_in_sight(True)

    def on_hide(self) -> None:
        self._follower.set_in_sight(False)

    def on_resize(self) -> None:
        self._restyle()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(_WHEEL_ROWS)

    def on_click(self, event: events.Click) -> None:
        """Scrolls to the part of the log at which the user clicks in the scroll bar."""
        offset = event.get_content_offset(self)
        if offset is None or offset.x != self.size.width - 1 or self._painter is None:
            return
        self._kept_end = None
        window = self._painter.window
        window.move_to_offset(window.log.size * offset.y // max(1, self.size.height), 0)
        self.following = window.stay_within_log(self.size.height)
        self._redraw()

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _restyle(self) -> None:
        """Draws everything again, for another layout, theme or stream."""
        if self._painter is not None and self.is_mounted:
            self._painter.set_stream(self.stream)
            self._painter.restyle(self._make_layout(), self._make_styles())
            if not self.following:
                self._keep_position(self._painter.window)
        self._redraw()

    def _keep_position(self, window: LogWindow) -> None:
        """Keeps the position after a change of size or layout: the end if it was in view, and always the current match.

        The rows in view must not depend on whether a match was found before or after the change.
        """
        match_offset = self._search.match_offset
        if match_offset is None:
            self.following = window.stay_within_log(self.size.height)
            return
        if self._kept_end == window.log.size:
            window.move_to_end(self.size.height)
        self._show_match(match_offset)

    def _redraw(self) -> None:
        """Builds the rows in view, and repaints those that changed."""
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
        self._search.mark_lines(self.size.height)
        if self._painter is not None:
            self._follower.note_drawn(self._painter)

    def _build(self) -> list[Strip]:
        width, height = self.size
        style = self.rich_style
        if self._painter is not None:
            if self.following:
                self._painter.window.move_to_end(height)
            bar = style + get_component_style(self, "log-view--thumb")
            if strips := self._painter.paint(LogFrame(width, height, self._left, style, bar)):
                return strips
        line = Strip([Segment(" " + self._empty_line(), self._make_styles().note)]).adjust_cell_length(width, style)
        return [line, *[Strip.blank(width, style)] * (height - 1)]

    def _empty_line(self) -> str:
        if self._painter is not None and self._painter.window.log.size and self.stream is not None:
            return self.merged_text or f"no output on {self.stream_name}"
        return "This task wrote no output." if self._follower.is_over else self.empty_text

    def _make_layout(self) -> LogLayout:
        return LogLayout(self.size.width - 1, self.wrap, self.show_time)

    def _make_styles(self) -> LogStyles:
        return LogStyles.of(self.rich_style, lambda name: get_component_style(self, f"log-view--{name}"))

    def _show_match(self, offset: int) -> None:
        """Brings the match at this offset of the file into view."""
        if self._painter is None:
            return
        window, height = self._painter.window, self.size.height
        if self.following:  # the size may have changed since the last frame
            window.move_to_end(height)
        self.following = False
        if not any(line.offset <= offset < line.end for line, _ in window.get_lines(height)):
            window.move_to_offset(offset, height // 3)
        self._kept_end = window.log.size if window.stay_within_log(height) else None
        self._redraw()

    def _close(self) -> None:
        """Closes the log that is open."""
        self.clear_search()
        self._follower.stop()
        if self._painter is not None:
            self._painter.close()
        self._painter = None

    def _announce_count(self, lines: int, is_complete: bool) -> None:
        announce(self, self.Counted(self, lines, is_complete))

    def _announce_search(self, status: str, is_problem: bool) -> None:
        announce(self, self.Searched(self, status, is_problem))
