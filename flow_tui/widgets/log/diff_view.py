"""The widget of a comparison of two logs: two columns, or one where there is no room for two."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from flow_core.logs.analysis.diff_rows import LEFT, RIGHT, DiffRow
from flow_core.logs.comparison import LogComparison
from flow_tui.widgets.log.diff_lines import DiffLayout, DiffLines, DiffStyles, find_difference
from flow_tui.widgets.styles import get_component_style

_LEAST_SIDE_BY_SIDE = 100
_SIDEWAYS = 8


class DiffView(ScrollView, can_focus=True):
    """A comparison with a cursor. It has actions and no keys; the owner of the keymap binds keys to the actions."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "diff-view--left",
        "diff-view--right",
        "diff-view--changed",
        "diff-view--fold",
        "diff-view--cursor",
    }
    DEFAULT_CSS = """
    DiffView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    DiffView > .diff-view--left { color: $text-error; }
    DiffView > .diff-view--right { color: $text-success; }
    DiffView > .diff-view--changed { color: $text-warning; }
    DiffView > .diff-view--fold { color: $muted; }
    DiffView > .diff-view--cursor { background: $block-cursor-blurred-background; }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._comparison: LogComparison | None = None
        self._lines = DiffLines(is_side_by_side=True)
        self._line = 0
        self._side = 0
        self._scrolled = 0

    @property
    def is_side_by_side(self) -> bool:
        return self._lines.is_side_by_side

    @property
    def current(self) -> tuple[int, int] | None:
        """The side and the offset of the line at the cursor: 0 is the left log. None without lines."""
        if self._comparison is None or not len(self._lines):
            return None
        number, side = self._lines.find_row(self._line)
        row = self._comparison[number]
        if self.is_side_by_side:
            side = {LEFT: 0, RIGHT: 1}.get(row.sign, self._side)
        return side, (row.left, row.right)[side]

    def show(self, comparison: LogComparison) -> None:
        """Shows another comparison from its start. The view does not own it."""
        self._comparison = comparison
        self._line = self._scrolled = 0
        self._lines = DiffLines(is_side_by_side=self.is_side_by_side)
        self.scroll_to(y=0, animate=False)
        self.grow()

    def grow(self) -> None:
        """Shows the rows that the comparison has found meanwhile."""
        if self._comparison is not None:
            self._lines.extend(self._comparison.signs)
            self.virtual_size = Size(self.size.width, len(self._lines))
            self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        is_side_by_side = event.size.width >= _LEAST_SIDE_BY_SIDE
        if is_side_by_side != self.is_side_by_side:
            row = self._lines.find_row(self._line)[0] if len(self._lines) else 0
            self._lines = DiffLines(is_side_by_side=is_side_by_side)
            self.grow()
            self._move_to(self._lines.find_line(row))
        self.grow()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            self._side = int(offset.x > self.size.width // 2)
            self._move_to(self.scroll_offset.y + offset.y)

    def action_cursor_down(self) -> None:
        self._move_to(self._line + 1)

    def action_cursor_up(self) -> None:
        self._move_to(self._line - 1)

    def action_page_down(self) -> None:
        self._move_to(self._line + self.size.height - 1)

    def action_page_up(self) -> None:
        self._move_to(self._line - self.size.height + 1)

    def action_half_page_down(self) -> None:
        self._move_to(self._line + self.size.height // 2)

    def action_half_page_up(self) -> None:
        self._move_to(self._line - self.size.height // 2)

    def action_first(self) -> None:
        self._move_to(0)

    def action_last(self) -> None:
        self._move_to(len(self._lines) - 1)

    def action_next_difference(self) -> None:
        self.go_to_difference(1)

    def action_previous_difference(self) -> None:
        self.go_to_difference(-1)

    def action_sideways_left(self) -> None:
        self._scroll_sideways(self._scrolled - _SIDEWAYS)

    def action_sideways_right(self) -> None:
        self._scroll_sideways(self._scrolled + _SIDEWAYS)

    def action_line_start(self) -> None:
        self._scroll_sideways(0)

    def action_switch_side(self) -> None:
        self._side = 1 - self._side
        self.refresh()

    def go_to_difference(self, step: int) -> bool:
        """Moves the cursor to the next difference, or with -1 to the previous one. Returns False if there is none."""
        if self._comparison is None or not len(self._lines):
            return False
        found = find_difference(self._comparison.signs, self._lines.find_row(self._line)[0], step)
        if found is not None:
            self._move_to(self._lines.find_line(found), rows_above=self.size.height // 3)
        return found is not None

    def render_line(self, y: int) -> Strip:
        line, style = self.scroll_offset.y + y, self.rich_style
        if self._comparison is None or line >= len(self._lines):
            return Strip.blank(self.size.width, style)
        styles = DiffStyles.of(style, lambda name: get_component_style(self, f"diff-view--{name}"))
        layout = DiffLayout(self.scrollable_content_region.width, self._scrolled, styles)
        number, side = self._lines.find_row(line)
        row = self._comparison[number]
        if self.is_side_by_side:
            return layout.draw_pair(row, self._cursor_side(row) if line == self._line else None)
        return layout.draw_single(row, side, has_cursor=line == self._line)

    def _cursor_side(self, row: DiffRow) -> int:
        return {LEFT: 0, RIGHT: 1}.get(row.sign, self._side)

    def _move_to(self, line: int, *, rows_above: int = 0) -> None:
        """Moves the cursor, and scrolls if it is not in view then: to `rows_above` rows below the top."""
        height = self.size.height
        self._line = max(0, min(line, len(self._lines) - 1))
        top = self.scroll_offset.y
        if not top <= self._line < top + height:
            above = rows_above or (0 if self._line < top else height - 1)
            self.scroll_to(y=max(0, self._line - above), animate=False, immediate=True)
        self.refresh()

    def _scroll_sideways(self, cells: int) -> None:
        self._scrolled = max(0, cells)
        self.refresh()
