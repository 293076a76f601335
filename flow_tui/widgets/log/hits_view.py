"""The widget of the results of a search in many logs. The title of a log stays in view while its lines are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from flow_core.logs.log_id import LogId
from flow_tui.widgets.announce import announce
from flow_tui.widgets.log.hit_painter import HitStyles, draw_hit_row
from flow_tui.widgets.log.hit_rows import HitGroup, HitRow, HitRows, RowRole
from flow_tui.widgets.styles import get_component_style


class HitPlace(NamedTuple):
    """The line of a log."""

    log: LogId
    offset: int


class HitsView(ScrollView, can_focus=True):
    """Results with a cursor on a line that matches. It has actions and no keys; its owner binds keys to the actions.

    While results arrive, the cursor stays on its line, and the line stays in its row of the screen, once `keeps_line`
    is set or the user has moved the cursor. Before that, the cursor stays on the first line.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "hits-view--title",
        "hits-view--match",
        "hits-view--muted",
        "hits-view--problem",
        "hits-view--cursor",
    }
    DEFAULT_CSS = """
    HitsView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    HitsView > .hits-view--title { color: $text-accent; background: $panel; text-style: bold; }
    HitsView > .hits-view--match { background: $warning; color: $background; text-style: underline; }
    HitsView > .hits-view--muted { color: $muted; }
    HitsView > .hits-view--problem { color: $text-warning; }
    HitsView > .hits-view--cursor { background: $block-cursor-blurred-background; }
    """
    ALLOW_SELECT = False

    class Opened(Message):
        """The user double-clicked a line."""

    class Moved(Message):
        """The cursor moved to another line."""

    def __init__(self) -> None:
        super().__init__()
        self.empty_text = ""
        self.keeps_line = False
        self._builder = HitRows()
        self._rows: list[HitRow] = []
        self._hit_rows: list[int] = []
        self._number = 0

    @property
    def current(self) -> HitPlace | None:
        """The line under the cursor; None if no line matches."""
        return self._get_place(self._hit_rows[self._number]) if self._hit_rows else None

    @property
    def position(self) -> tuple[int, int]:
        """The number of the line under the cursor, counted from 1, and of all lines that match; 0 without one."""
        return (self._number + 1 if self._hit_rows else 0), len(self._hit_rows)

    def show(self, groups: Sequence[HitGroup], missing: Sequence[tuple[str, str]]) -> None:
        """Shows these results."""
        current, height = self.current if self.keeps_line else None, self.size.height
        above = self._hit_rows[self._number] - self.scroll_offset.y if current is not None else 0
        self._rows = self._builder.build(groups, missing)
        self._hit_rows = [number for number, row in enumerate(self._rows) if row.role is RowRole.HIT]
        self.virtual_size = Size(self.size.width, len(self._rows))
        if current is None or not self._find(current):
            self._move_to(0)
        elif 0 <= above < height:
            self.scroll_to(y=max(0, self._hit_rows[self._number] - above), animate=False, immediate=True)
        self.refresh()

    def go_to(self, place: HitPlace) -> None:
        """Moves the cursor to this line, or to the next one of its log."""
        if self._find(place):
            self.keeps_line = True
            self._move_to(self._number)

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, len(self._rows))
        self._move_to(self._number)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not self._hit_rows:
            return
        row = min(self.scroll_offset.y + offset.y, len(self._rows) - 1)
        self._step_to(self._find_near(row))
        if event.chain == 2:
            announce(self, self.Opened())

    def action_cursor_down(self) -> None:
        if self._number + 1 < len(self._hit_rows):
            self._step_to(self._number + 1)
        else:
            self.scroll_to(y=self.scroll_offset.y + 1, animate=False, immediate=True)

    def action_cursor_up(self) -> None:
        self._step_to(self._number - 1)

    def action_page_down(self) -> None:
        self._move_by(self.size.height - 2)

    def action_page_up(self) -> None:
        self._move_by(2 - self.size.height)

    def action_half_page_down(self) -> None:
        self._move_by(self.size.height // 2)

    def action_half_page_up(self) -> None:
        self._move_by(-(self.size.height // 2))

    def action_first(self) -> None:
        self._step_to(0)

    def action_last(self) -> None:
        self._step_to(len(self._hit_rows) - 1)
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    def action_next_log(self) -> None:
        """Moves the cursor to the first line of the next log."""
        self._move_to_group(1)

    def action_previous_log(self) -> None:
        """Moves the cursor to the first line of this log, or of the previous one if it is there already."""
        self._move_to_group(-1)

    def render_line(self, y: int) -> Strip:
        style, width = self.rich_style, self.scrollable_content_region.width
        styles = HitStyles.of(style, lambda name: get_component_style(self, f"hits-view--{name}"))
        if not self._rows:
            return self._draw_empty(y, styles)
        number = self.scroll_offset.y + y
        if number >= len(self._rows):
            return Strip.blank(self.size.width, style)
        row = self._rows[number]
        if y == 0 and row.group is not None:
            row = HitRow(RowRole.TITLE, row.group.title, row.group.count)
        has_cursor = bool(self._hit_rows) and number == self._hit_rows[self._number]
        return draw_hit_row(row, width, styles, has_cursor=has_cursor)

    def _draw_empty(self, y: int, styles: HitStyles) -> Strip:
        lines = self.empty_text.split("\n")
        text = lines[y] if y < len(lines) else ""
        row = HitRow(RowRole.CONTEXT, text)
        return draw_hit_row(row, self.size.width, styles, has_cursor=False)

    def _find(self, place: HitPlace) -> bool:
        """Moves the cursor to this line without scrolling; if it is gone, to the next one. False without lines."""
        for number, row in enumerate(self._hit_rows):
            log, offset = self._get_place(row)
            if log == place.log and offset >= place.offset:
                self._number = number
                return True
        self._number = min(self._number, max(0, len(self._hit_rows) - 1))
        return bool(self._hit_rows)

    def _get_place(self, row: int) -> HitPlace:
        shown = self._rows[row]
        assert shown.group is not None  # every line that matches belongs to a log
        return HitPlace(shown.group.log, shown.group.hits[shown.hit].offset)

    def _find_near(self, row: int) -> int:
        """Returns the number of the line that this row belongs to, else of the next one."""
        shown = self._rows[row]
        for number, at in enumerate(self._hit_rows):
            other = self._rows[at]
            if other.group is shown.group and other.hit == shown.hit:
                return number
        return bisect_left(self._hit_rows, row)

    def _move_by(self, rows: int) -> None:
        """Moves the cursor by at most this number of rows, but by at least one line."""
        if not self._hit_rows:
            self.scroll_to(y=self.scroll_offset.y + rows, animate=False, immediate=True)
            return
        wanted = self._hit_rows[self._number] + rows
        number = bisect_left(self._hit_rows, wanted + 1) - 1 if rows > 0 else bisect_left(self._hit_rows, wanted)
        if number >= len(self._hit_rows) - 1 and rows > 0:
            self.action_last()
        else:
            self._step_to(max(number, self._number + 1) if rows > 0 else min(number, self._number - 1))

    def _move_to_group(self, step: int) -> None:
        if not self._hit_rows:
            return
        row = self._rows[self._hit_rows[self._number]]
        starts = [number for number, at in enumerate(self._hit_rows) if self._rows[at].hit == 0]
        group = bisect_left(starts, self._number + 1) - 1
        target = group if step < 0 and row.hit > 0 else group + step
        self._step_to(starts[max(0, min(target, len(starts) - 1))])

    def _step_to(self, number: int) -> None:
        """Moves the cursor for the user."""
        self.keeps_line = True
        self._move_to(number)

    def _move_to(self, number: int) -> None:
        """Moves the cursor, and scrolls until the line and the lines around it are in view."""
        self._number = max(0, min(number, len(self._hit_rows) - 1))
        if self._hit_rows:
            first, last = self._find_stretch(self._hit_rows[self._number])
            top, height = self.scroll_offset.y, self.size.height
            if first - 1 < top:
                self.scroll_to(y=max(0, first - 1), animate=False, immediate=True)
            elif last >= top + height:
                self.scroll_to(y=last - height + 1, animate=False, immediate=True)
        self.refresh()
        announce(self, self.Moved())

    def _find_stretch(self, row: int) -> tuple[int, int]:
        """Returns the first and the last row of the lines around a line."""
        group, first, last = self._rows[row].group, row, row
        while first and self._rows[first - 1].role is RowRole.CONTEXT and self._rows[first - 1].group is group:
            first -= 1
        while last + 1 < len(self._rows) and self._rows[last + 1].role is RowRole.CONTEXT:
            last += 1
        if first and self._rows[first - 1].role is RowRole.TITLE:
            first -= 1
        return first, last
