"""The rows of a terminal core as strips, and when to paint them."""

from __future__ import annotations

import asyncio

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flow_tui.terminal.copy_mode import Mark
from flow_tui.terminal.core import Cursor, TerminalCore
from flow_tui.terminal.rich_segments import segments_of

_FRAME_S = 1 / 60
_HELD_FRAME_S = 0.15  # an application that forgets to end its synchronized update must not freeze the pane
_CURSOR = Style(reverse=True)
_IDLE_CURSOR = Style(underline=True)
_SELECTED = Style(reverse=True)
_FOUND = Style(color="black", bgcolor="yellow", reverse=False)


class TerminalRows(Widget):
    """Draws a core's visible rows and its cursor; only rows that changed, at most 60 times a second."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._cursor = Cursor(0, 0, False)
        self._marks: dict[int, list[Mark]] = {}
        self._painted_at = float("-inf")
        self._held_since: float | None = None
        self._frame_timer: Timer | None = None

    @property
    def core(self) -> TerminalCore | None:
        """The terminal to draw, once there is one."""
        return None

    def shown_cursor(self, core: TerminalCore) -> Cursor:
        """The cursor to draw."""
        return core.cursor

    def shown_marks(self) -> dict[int, list[Mark]]:
        """What stands out, by row."""
        return {}

    def want_frame(self, core: TerminalCore, now: float) -> None:
        """At once after quiet, else when the last frame is old enough; held while the far side draws."""
        is_held = core.modes.synchronized
        if is_held and self._held_since is None:
            self._held_since = now
            self._schedule_frame(_HELD_FRAME_S)
        elif not is_held and self._held_since is not None:
            self._held_since = None
            self._schedule_frame(self._painted_at + _FRAME_S - now)
        elif self._frame_timer is None:
            self._schedule_frame(self._painted_at + _FRAME_S - now)

    def _schedule_frame(self, delay_s: float) -> None:
        if self._frame_timer is not None:
            self._frame_timer.stop()
            self._frame_timer = None
        if delay_s <= 0:
            self.paint_frame()
        else:
            self._frame_timer = self.set_timer(delay_s, self.paint_frame)

    def paint_frame(self) -> None:
        """Brings what is shown up to date with the core, now."""
        core = self.core
        self._frame_timer = None
        if core is None:
            return
        self._painted_at = asyncio.get_running_loop().time()
        base, width = self.rich_style, self.size.width
        del self._strips[core.rows :]
        self._strips += [Strip.blank(width, base)] * (core.rows - len(self._strips))
        dirty = core.dirty_rows()
        for y in dirty:
            self._strips[y] = Strip(segments_of(core.row(y), base), core.cols)
        before, self._cursor = self._cursor, self.shown_cursor(core)
        touched = {*dirty, before.y, self._cursor.y} if before != self._cursor else set(dirty)
        marks, self._marks = self._marks, self.shown_marks()
        touched |= {y for y in {*marks, *self._marks} if marks.get(y) != self._marks.get(y)}
        if touched:
            self.refresh(*(Region(0, y, width, 1) for y in touched))

    def render_line(self, y: int) -> Strip:
        base, width = self.rich_style, self.size.width
        if y >= len(self._strips):
            return Strip.blank(width, base)
        strip = self._strips[y]
        for mark in self._marks.get(y, ()):
            strip = _in_look(strip, mark.first, mark.last + 1, _SELECTED if mark.is_selected else _FOUND)
        if self._cursor.visible and self._cursor.y == y:
            strip = _with_cursor(strip, self._cursor.x, _CURSOR if self.has_focus else _IDLE_CURSOR)
        return strip.adjust_cell_length(width, base)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        core = self.core
        if core is not None and len(self._strips) == core.rows:
            base = self.rich_style
            self._strips = [Strip(segments_of(core.row(y), base), core.cols) for y in range(core.rows)]


def _with_cursor(strip: Strip, x: int, look: Style) -> Strip:
    """The strip with the character at column `x`, whole if it is a wide one, in the cursor's look."""
    return _in_look(strip, x, x + 2 if len(strip.crop(x, x + 2).text) == 1 else x + 1, look)


def _in_look(strip: Strip, start: int, end: int, look: Style) -> Strip:
    under = [Segment(text, (style or Style()) + look) for text, style, _ in strip.crop(start, end)]
    return Strip.join([strip.crop(0, start), Strip(under), strip.crop(end, strip.cell_length)])
