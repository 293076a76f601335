"""The position of a log view: following, scrolling in both directions, the current line, and the selection."""

from __future__ import annotations

from textual import events
from textual.reactive import reactive, var
from textual.widget import Widget

from flow_core.logs.shown.line import ShownLine
from flow_tui.widgets.log.painter import LinePainter, LogPainter
from flow_tui.widgets.log.selector import COPY_LIMIT, LogTextSelector
from flow_tui.widgets.log.window import LogPosition, LogWindow

_WHEEL_ROWS = 3
_SIDEWAYS = 8


class ScrollingLog(Widget, can_focus=True):
    """A log in view that scrolls. In line mode, the actions that scroll extend the selection instead.

    It has actions and no keys; the owner of the keymap binds keys to the actions.
    """

    ALLOW_SELECT = False  # Textual would select text of the widget, and not of the log

    following: reactive[bool] = reactive(True, repaint=False)
    wrap: var[bool] = var(False)

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._painter: LinePainter | None = None
        self.selector = LogTextSelector(
            self, scroll=self.scroll_rows, reveal=self._reveal, redraw=self._redraw, copy=self._announce_selection
        )
        self._left = 0
        self._kept_end: int | None = None
        """The size of the log while its end stays in view below a match; None if the end is not in view."""
        self._current: int | None = None

    @property
    def current_line(self) -> ShownLine | None:
        """The line that actions refer to: the marked line if it is in view, else the last line in view while following,
        else the first one; None without lines.
        """
        if self._painter is None or not (rows := self._painter.rows):
            return None
        if (marked := self._marked_in_view) is not None:
            return self._painter.log.line_at(marked)
        return self._painter.log.line_at(rows[-1 if self.following else 0].offset)

    @property
    def _marked_in_view(self) -> int | None:
        """The offset of a byte of the marked line if that line is in view."""
        marked, painter = self._current, self._painter
        if marked is None or painter is None:
            return None
        return marked if any(row.offset <= marked < max(row.end, row.offset + 1) for row in painter.rows) else None

    @property
    def selected_range(self) -> tuple[int, int] | None:
        """The offsets of the first selected line and of the end of the last one; None without a selection."""
        selection = self.selector.selection
        if self._painter is None or selection is None:
            return None
        last = self._painter.log.line_at(selection.end.offset)
        return None if last is None else (selection.start.offset, last.end)

    def read_selection(self) -> str | None:
        """Returns the selected text, else the text of the current line; None if it is too long to be copied."""
        if self.selector.selection is not None:
            return self.selector.read_text()
        line = self.current_line
        if line is None or self._painter is None:
            return ""
        return self._painter.get_prefix(line) + line.text if len(line.text) <= COPY_LIMIT else None

    def original_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains this byte of the file, neither folded nor with its fields in columns.

        None without a log, or at its end.
        """
        if isinstance(self._painter, LogPainter):
            return self._painter.stack.base.line_at(offset)
        return None if self._painter is None else self._painter.log.line_at(offset)

    def go_to(self, offset: int) -> None:
        """Marks the line that contains this byte of the file, brings it into view and stops following."""
        if isinstance(self._painter, LogPainter):
            self._painter.stack.reveal(offset)
        self._current = offset
        self._show_place(offset)

    def action_follow(self) -> None:
        """Goes to the end and follows; in line mode, extends the selection to the last line."""
        if self.selector.is_line_mode:
            self.selector.move_to_end()
            return
        self.following = True
        if self._painter is not None:
            self._painter.refresh()
        self._redraw()

    action_scroll_end = action_follow

    def action_scroll_up(self) -> None:
        self._step(-1)

    def action_scroll_down(self) -> None:
        self._step(1)

    def action_page_up(self) -> None:
        self._step(1 - self.size.height)

    def action_page_down(self) -> None:
        self._step(self.size.height - 1)

    def action_half_page_up(self) -> None:
        self._step(-(self.size.height // 2))

    def action_half_page_down(self) -> None:
        self._step(self.size.height // 2)

    def action_scroll_home(self) -> None:
        if self.selector.is_line_mode:
            self.selector.move_to_start()
        elif self._painter is not None:
            self._kept_end = None
            self._painter.window.move_to_start()
            self.following = False
            self._redraw()

    def action_scroll_left(self) -> None:
        self._scroll_sideways(self._left - _SIDEWAYS)

    def action_scroll_right(self) -> None:
        self._scroll_sideways(max(self._left, min(self._left + _SIDEWAYS, self._longest_left)))

    def action_line_start(self) -> None:
        self._scroll_sideways(0)

    def action_line_end(self) -> None:
        """Scrolls to the right until the end of the longest line in view is in view."""
        self._scroll_sideways(self._longest_left)

    def action_select_lines(self) -> None:
        """Starts line mode at the current line, or ends it."""
        if self.selector.is_line_mode:
            self.selector.clear()
        elif (line := self.current_line) is not None:
            self.following = False
            self.selector.start_lines(line.offset)

    def scroll_rows(self, rows: int) -> None:
        """Scrolls, down if positive. Scrolling away from the end stops following; scrolling to the end resumes it."""
        if self._painter is not None and self.size:
            self._kept_end = None
            is_at_end = self._painter.window.scroll(rows, self.size.height)
            self.following = is_at_end and self.selector.selection is None  # a selection keeps its place
            self._redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-_WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(_WHEEL_ROWS)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.selector.press(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.selector.drag(event)
        if self.selector.selection is not None:
            self.following = False

    def on_mouse_up(self) -> None:
        self.selector.release()

    def on_click(self, event: events.Click) -> None:
        """Marks the line at which the user clicks, and selects a word or the line at a double or triple click.

        In the scroll bar, scrolls to that part of the log.
        """
        offset = event.get_content_offset(self)
        if offset is None or self._painter is None:
            return
        if offset.x == self.size.width - 1:
            self._kept_end = None
            window = self._painter.window
            window.move_to_offset(window.log.size * offset.y // max(1, self.size.height), 0)
            self.following = window.stay_within_log(self.size.height)
        elif self.selector.selection is None and offset.y < len(self._painter.rows):
            self._current = self._painter.rows[offset.y].offset
            if event.chain > 1:
                self.following = False
                self.selector.select_at(offset, whole_line=event.chain > 2)
        self._redraw()

    @property
    def _longest_left(self) -> int:
        """The cells to scroll to the right until the end of the longest line in view is in view."""
        if self.wrap or self._painter is None:
            return 0
        rows = self._painter.rows
        return max((row.cells - (self.size.width - 1 - row.margin) for row in rows), default=0)

    def _scroll_sideways(self, left: int) -> None:
        self._left = max(0, left)
        self._redraw()

    def _step(self, rows: int) -> None:
        if self.selector.is_line_mode:
            self.selector.move(rows)
        else:
            self.scroll_rows(rows)

    def _reveal(self, offset: int) -> None:
        """Scrolls no further than needed to bring the line at this offset into view."""
        if self._painter is None or not self.size:
            return
        window, height = self._painter.window, self.size.height
        shown = [line.offset for line, skipped in window.get_lines(height) if not skipped]
        if offset not in shown or (offset == shown[-1] and len(shown) > 1):
            is_above = not shown or offset < shown[0]
            window.move_to_offset(offset, 0 if is_above else height - self._painter.count_rows(offset, height))
            window.stay_within_log(height)

    def _show_place(self, offset: int, row: int = 0, cells: range = range(0)) -> None:
        """Brings a row of the line that contains this byte into view, a third below the top if it was not.

        Also brings these cells of the row into view.
        """
        if self._painter is None:
            return
        window, height = self._painter.window, self.size.height
        if self.following:  # the size may have changed since the last frame
            window.move_to_end(height)
        self.following = False
        line = self._painter.log.line_at(offset)
        window.show_row(LogPosition(line.offset if line else offset, row), height, height // 3)
        self._kept_end = window.log.size if window.stay_within_log(height) else None
        width = self._content_width
        if cells and not (self._left <= cells.start and cells.stop <= self._left + width):
            self._left = 0 if cells.stop <= width else max(0, cells.start - width // 3)
        self._redraw()

    def _keep_position(self, window: LogWindow) -> None:
        """Keeps the position after a change of size or layout.

        The end stays in view if it was, and the current match always. The rows in view must not depend on whether the
        match was found before or after the change.
        """
        place = self._find_kept_place()
        if place is None:
            self.following = window.stay_within_log(self.size.height) and self.selector.selection is None
            return
        if self._kept_end == window.log.size:
            window.move_to_end(self.size.height)
        self._show_place(*place)

    @property
    def _content_width(self) -> int:
        """The number of cells for the text of a row."""
        raise NotImplementedError

    def _find_kept_place(self) -> tuple[int, int, range] | None:
        """Returns the offset, the row and the cells that stay in view after a change of size; None without any."""
        raise NotImplementedError

    def _redraw(self) -> None:
        raise NotImplementedError

    def _announce_selection(self) -> None:
        raise NotImplementedError
