"""The widget of a log: opens a log of any size at its end, follows, scrolls and searches. Keeps no lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from textual.await_complete import AwaitComplete
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive, var
from textual.strip import Strip

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.export import LogBlock
from flow_core.logs.filtered.filtered_log import FilterProgress
from flow_core.logs.follow import IsComplete
from flow_core.logs.line_counter import LineCounter
from flow_core.logs.search.log_search import SearchMatch
from flow_tui.widgets.announce import announce
from flow_tui.widgets.log.display import DisplayedLog
from flow_tui.widgets.log.filter import LogViewFilter
from flow_tui.widgets.log.follower import LogFollower
from flow_tui.widgets.log.overlay import LogOverlay
from flow_tui.widgets.log.painter import LinePainter, LogFrame, LogPainter
from flow_tui.widgets.log.rows import LogLayout, LogStyles
from flow_tui.widgets.log.search import LogViewSearch
from flow_tui.widgets.styles import get_component_style


class LogView(DisplayedLog):
    """A view of one log."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--time",
        "log-view--stderr",
        "log-view--match",
        "log-view--note",
        "log-view--thumb",
        "log-view--selected",
        "log-view--error",
        "log-view--warning",
    }
    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView > .log-view--time { color: $muted; }
    LogView > .log-view--stderr { color: $text-warning; }
    LogView > .log-view--match { background: $warning; color: $background; text-style: underline; }
    LogView > .log-view--note { color: $muted; }
    LogView > .log-view--thumb { background: $scrollbar; }
    LogView > .log-view--error { color: $text-error; }
    LogView > .log-view--warning { color: $text-warning; }
    LogView > .log-view--selected { background: $screen-selection-background; color: $screen-selection-foreground; }
    """

    bookmarks: var[frozenset[int]] = var(frozenset[int]())
    """The offsets of the lines that are marked as bookmarks."""
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

    @dataclass
    class Filtered(Message):
        """The lines that the filters have kept so far; `problem` says why there will be no more."""

        view: LogView
        progress: FilterProgress
        problem: str = ""

    @dataclass
    class Selected(Message):
        """The mouse has selected text."""

        view: LogView

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._follower = LogFollower(
            self, redraw=self._redraw, counted=self._announce_count, is_at_end=lambda: self.following
        )
        self._search = LogViewSearch(self, report=self._announce_search, show=self._show_match, redraw=self._redraw)
        self._filter = LogViewFilter(self, redraw=self._redraw, settled=self._settle, report=self._announce_filter)
        self._strips: list[Strip] = []

    @property
    def is_searching(self) -> bool:
        """Whether a search was started and not ended."""
        return self._search.is_started

    @property
    def line_counter(self) -> LineCounter | None:
        """The lines that were counted so far; None without a log."""
        return None if self._painter is None else self._follower.lines

    @property
    def log_size(self) -> int:
        """The size of the log in bytes; 0 without a log."""
        return 0 if self._painter is None else self._painter.log.size

    @property
    def shown_date(self) -> str:
        """The local date of the first line in view while times are shown, such as "2026-01-02"; else ""."""
        rows = self._painter.rows if self._painter is not None and self.show_time else []
        when = rows[0].when if rows else None
        return "" if when is None else f"{when.astimezone():%Y-%m-%d}"

    @property
    def last_time(self) -> datetime | None:
        """When the last bytes were read, in UTC; None if it is unknown."""
        return None if self._painter is None else self._painter.last_time

    def find_time(self, offset: int) -> datetime | None:
        """Returns when the byte at this offset was read, in UTC; None if it is unknown."""
        return None if self._painter is None else self._painter.find_time(offset)

    def find_offset_at(self, time: datetime) -> int | None:
        """Returns the offset of the first byte that was read at this time or later; None if there is none."""
        return None if self._painter is None else self._painter.find_offset_at(time)

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        """Yields the shown lines in a range of offsets as text. Does blocking I/O; may run in a thread."""
        return iter(()) if self._painter is None else self._painter.read_blocks(start, end)

    def open(
        self, files: SpoolFiles | None, is_complete: IsComplete | None = None, *, has_arrival_times: bool = False
    ) -> None:
        """Shows the end of this log and follows it; None shows no log. Without `is_complete`, the log never ends.

        `has_arrival_times` is whether its times are those at which it arrived on this machine; they begin with "~".
        """
        self._close()  # the layout has no labels of merged logs then
        if files is None:
            self._open(None, is_complete)
            return
        layout, styles = self._make_layout(), self._make_styles()
        self._open(LogPainter(files, layout, styles, has_arrival_times=has_arrival_times), is_complete)

    def _open(self, painter: LinePainter | None, is_complete: IsComplete | None) -> None:
        self._close()
        self._left = 0
        self._kept_end = self._current = None
        self.bookmarks = frozenset()
        self.following = True
        if not self.is_attached:
            return  # nothing would close the log
        self._painter = painter
        if painter is not None:
            painter.set_options(self._options)
            painter.refresh()
            self._follower.start(painter, is_complete)
            self._filter.start(painter)
        self.selector.attach(self._painter)
        self._redraw()

    def find(self, pattern: str, *, literal: bool = False) -> None:
        """Searches from the top of the view on, or backward from the end if that is in view.

        `Searched` reports the progress, or an invalid pattern.
        """
        self.clear_search()
        if self._painter is not None and pattern:
            self._search.start(self._painter, pattern, literal=literal, is_backward=self.following)

    def clear_search(self) -> None:
        """Ends the search, and removes its marks."""
        if self._search.match_offset is not None:
            self._current = None
        self._search.clear()

    def end_search(self) -> AwaitComplete:
        """Ends the search as `clear_search` does. Awaiting the result waits until its child processes have ended."""
        return self._search.end()

    def action_next_match(self) -> None:
        self._search.go_on(forward=True)

    def action_previous_match(self) -> None:
        self._search.go_on(forward=False)

    def watch_following(self, following: bool) -> None:
        announce(self, self.FollowChanged(self, following))

    def watch_bookmarks(self) -> None:
        self._redraw()

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

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _restyle(self) -> None:
        """Draws everything again, for another layout, theme or stream."""
        if self._painter is not None and self.is_mounted:
            if self._painter.set_options(self._options):
                self._filter.start(self._painter)
                self._search.cover_view()
            self._painter.restyle(self._make_layout(), self._make_styles())
        self._settle()

    def _settle(self) -> None:
        """Keeps the position after a change of what is shown, once the filters have found all lines."""
        if self._painter is not None and not self.following and not self._filter.is_scanning:
            self._keep_position(self._painter.window)
        self._redraw()

    def _find_kept_place(self) -> tuple[int, int, range] | None:
        if self._painter is not None and (match := self._search.match) is not None:
            return (match.offset, *self._painter.find_place(match))
        return None if (marked := self._marked_in_view) is None else (marked, 0, range(0))

    def _redraw(self) -> None:
        """Builds the rows in view, and repaints those that changed."""
        if not self.is_mounted or not self.size:
            return
        strips = self._build()
        if len(strips) != len(self._strips):
            self.refresh()
        else:
            self._refresh_rows([y for y, now in enumerate(strips) if now != self._strips[y]])
        self._strips = strips
        self._search.note_drawn(self.size.height)
        if self._painter is not None:
            self._follower.note_drawn(self._painter)

    def _refresh_rows(self, changed: list[int]) -> None:
        """Repaints rows, in one region if most of those between the first and the last one have changed."""
        if not changed:
            return
        first, last, width = changed[0], changed[-1], self.size.width
        if last - first < 2 * len(changed):
            self.refresh(Region(0, first, width, last - first + 1))
        else:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _build(self) -> list[Strip]:
        width, height = self.size
        style = self.rich_style
        if self._painter is not None:
            if self.following:
                self._painter.window.move_to_end(height)
            bar = style + get_component_style(self, "log-view--thumb")
            painter = self._painter
            if strips := painter.paint(LogFrame(width, height, self._left, style, bar)):
                marks = (self._current, self.bookmarks, self.selector.selection)
                return LogOverlay(painter.layout, painter.styles, width, *marks).apply(strips, painter.rows)
        line = Strip([Segment(" " + self._empty_line(), self._make_styles().note)]).adjust_cell_length(width, style)
        return [line, *[Strip.blank(width, style)] * (height - 1)]

    def _empty_line(self) -> str:
        if self._painter is not None and (text := self._filter.explain_no_lines()):
            return text
        if self._painter is not None and self._painter.log.size and self.stream is not None:
            return self.merged_text or f"no output on {self.stream_name}"
        return "This task wrote no output." if self._follower.is_over else self.empty_text

    def _make_layout(self) -> LogLayout:
        return LogLayout(self.size.width - 1, self.wrap, self.show_time, self.show_delta)

    @property
    def _content_width(self) -> int:
        return self._make_layout().content_width

    def _make_styles(self) -> LogStyles:
        return LogStyles.of(self.rich_style, lambda name: get_component_style(self, f"log-view--{name}"))

    def _show_match(self, match: SearchMatch) -> None:
        """Brings a match into view: its row, and its columns if lines are not wrapped."""
        if self._painter is not None:
            self._current = match.offset
            self._show_place(match.offset, *self._painter.find_place(match))

    def _close(self) -> None:
        """Closes the log that is open."""
        self.clear_search()
        self._follower.stop()
        self._filter.stop()
        if self._painter is not None:
            self._painter.close()
        self._painter = None

    def _announce_selection(self) -> None:
        announce(self, self.Selected(self))

    def _announce_filter(self, progress: FilterProgress, problem: str) -> None:
        announce(self, self.Filtered(self, progress, problem))

    def _announce_count(self, lines: int, is_complete: bool) -> None:
        announce(self, self.Counted(self, lines, is_complete))

    def _announce_search(self, status: str, is_problem: bool) -> None:
        announce(self, self.Searched(self, status, is_problem))
