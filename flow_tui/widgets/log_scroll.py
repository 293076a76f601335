"""A log on the screen: its layout, its styles, and moving about in it. Looks at no file by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive, var
from textual.strip import Strip
from textual.widget import Widget

from flow_core.agent.spool import STDERR, STDOUT
from flow_tui.widgets.announcing import announce
from flow_tui.widgets.log_painter import Frame, LogPainter
from flow_tui.widgets.log_rows import Format, Palette
from flow_tui.widgets.styles import component_style

_WHEEL_ROWS = 3
_SIDEWAYS = 8
_STREAMS: dict[int | None, str] = {None: "both", STDOUT: "stdout", STDERR: "stderr"}


class LogScroll(Widget, can_focus=True):
    """Rows of a log, and actions to move in it. `LogView` opens logs in it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--time",
        "log-view--stderr",
        "log-view--match",
        "log-view--note",
        "log-view--thumb",
    }
    DEFAULT_CSS = """
    LogScroll { height: 1fr; }
    LogScroll > .log-view--time { color: $muted; }
    LogScroll > .log-view--stderr { color: $text-warning; }
    LogScroll > .log-view--match { background: $warning; color: $background; text-style: underline; }
    LogScroll > .log-view--note { color: $muted; }
    LogScroll > .log-view--thumb { background: $scrollbar; }
    """

    following: reactive[bool] = reactive(True, repaint=False)
    wrap: var[bool] = var(False)
    show_time: var[bool] = var(False)
    stream: var[int | None] = var(None)
    empty_text: reactive[str] = reactive("no output yet")
    merged_text: reactive[str] = reactive("")
    """Why none of the output is of stderr."""

    @dataclass
    class FollowChanged(Message, namespace="log_view"):
        """New lines are shown as they come, or no longer."""

        view: LogScroll
        following: bool

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._painter: LogPainter | None = None
        self._over = False
        self._left = 0
        self._strips: list[Strip] = []

    @property
    def stream_name(self) -> str:
        return _STREAMS[self.stream]

    def action_follow(self) -> None:
        self.following = True
        if self._painter is not None:
            self._painter.window.refresh()
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
        if self._painter is not None and self.size:
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

    def on_resize(self) -> None:
        self._restyle()

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

    def _restyle(self) -> None:
        """Draws everything anew, in another layout, theme or stream."""
        if self._painter is not None and self.is_mounted:
            self._painter.restyle(self._format(), self._palette(), self.stream)
            if not self.following:
                self.following = self._painter.window.settle(self.size.height) and not self._is_held
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
        self._redrawn()

    @property
    def _is_held(self) -> bool:
        """Whether what is in view stays there until the user moves."""
        return False

    def _redrawn(self) -> None:
        """For those who want to know which lines are in view now."""

    def _build(self) -> list[Strip]:
        width, height = self.size
        style = self.rich_style
        if self._painter is not None:
            if self.following:
                self._painter.window.to_end(height)
            bar = style + component_style(self, "log-view--thumb")
            if strips := self._painter.paint(Frame(width, height, self._left, style, bar)):
                return strips
        said = Strip([Segment(" " + self._empty_line(), self._palette().note)]).adjust_cell_length(width, style)
        return [said, *[Strip.blank(width, style)] * (height - 1)]

    def _empty_line(self) -> str:
        if self._painter is not None and self._painter.window.reader.size and self.stream is not None:
            return self.merged_text or f"nothing on {self.stream_name}"
        return "no output" if self._over else self.empty_text

    def _format(self) -> Format:
        return Format(self.size.width - 1, self.wrap, self.show_time)

    def _palette(self) -> Palette:
        return Palette.of(
            self.rich_style,
            lambda name: component_style(self, f"log-view--{name}"),
        )
