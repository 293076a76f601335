"""Selects text of a log with the mouse, or lines with the keys, and reads the selected text."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.geometry import Offset
from textual.timer import Timer
from textual.widget import Widget

from flow_core.logs.shown.line import ShownLine
from flow_tui.widgets.log.painter import LinePainter
from flow_tui.widgets.log.text_selection import TextPosition, TextSelection, find_words

COPY_LIMIT = 1 << 20
"""Most characters that are copied at once; terminals refuse longer texts."""
_LINES = 500
_EDGE_S = 0.05


class LogTextSelector:
    """The selection of a log view. It calls `scroll` with rows, `reveal` with the offset of a line to bring into view,
    `redraw` after a change, and `copy` when the mouse has selected text.
    """

    def __init__(
        self,
        view: Widget,
        *,
        scroll: Callable[[int], None],
        reveal: Callable[[int], None],
        redraw: Callable[[], None],
        copy: Callable[[], None],
    ) -> None:
        self.selection: TextSelection | None = None
        self._view = view
        self._scroll = scroll
        self._reveal = reveal
        self._redraw = redraw
        self._copy = copy
        self._painter: LinePainter | None = None
        self._pressed: Offset | None = None
        self._pointer = Offset(0, 0)
        self._anchor = (TextPosition(0), TextPosition(0))
        self._edge_timer: Timer | None = None

    @property
    def is_line_mode(self) -> bool:
        return self.selection is not None and self.selection.is_lines

    def attach(self, painter: LinePainter | None) -> None:
        """Selects in another log from now on."""
        self._end_drag()
        self._painter, self.selection = painter, None

    def clear(self) -> bool:
        """Drops the selection. Returns whether there was one."""
        self._end_drag()
        had_one, self.selection = self.selection is not None, None
        if had_one:
            self._redraw()
        return had_one

    def start_lines(self, offset: int) -> None:
        """Starts line mode with the line at this offset."""
        self._select_lines(TextPosition(offset), TextPosition(offset))

    def move(self, lines: int) -> None:
        """Moves the end of the selected lines, down if positive. It stops at the ends of the log."""
        selection, painter = self.selection, self._painter
        if selection is None or painter is None or not lines:
            return
        log, head = painter.log, selection.head.offset
        found = log.lines_from(head, lines + 1)[-1:] if lines > 0 else log.lines_before(head, -lines)[:1]
        if found:
            self._select_lines(selection.anchor, TextPosition(found[0].offset))

    def move_to_start(self) -> None:
        self._move_to_line(lambda painter: painter.log.lines_from(0, 1))

    def move_to_end(self) -> None:
        self._move_to_line(lambda painter: painter.log.lines_before(painter.log.size, 1))

    def read_text(self) -> str | None:
        """Returns the selected text, "" without a selection; None if it is longer than COPY_LIMIT."""
        selection, painter = self.selection, self._painter
        if selection is None or painter is None:
            return ""
        parts: list[str] = []
        offset, end, length = selection.start.offset, selection.end.offset, 0
        while lines := [line for line in painter.log.lines_from(offset, _LINES) if offset <= line.offset <= end]:
            parts.append(self._extract(selection, painter, lines))
            length += len(parts[-1]) + 1
            if length > COPY_LIMIT:
                return None
            offset = max(lines[-1].end, offset + 1)
        return "\n".join(parts)

    def press(self, event: events.MouseDown) -> None:
        """Drops the selection. Another one begins when the mouse moves."""
        self.clear()
        if event.button == 1 and self._painter is not None and event.x < self._view.size.width - 1:
            self._pressed = event.offset
            self._view.capture_mouse()

    def drag(self, event: events.MouseMove) -> None:
        """Extends the selection to the mouse. Past an edge, it continues to grow while the view scrolls."""
        if self._pressed is None or (self.selection is None and event.offset == self._pressed):
            return
        self._pointer = event.offset
        self._extend()
        if 0 <= event.y < self._view.size.height:
            self._stop_edge()
        elif self._edge_timer is None:
            self._edge_timer = self._view.set_interval(_EDGE_S, self._drag_past_edge)

    def release(self) -> None:
        """Copies what the mouse selected, and leaves it selected."""
        was_pressed = self._pressed is not None
        self._end_drag()
        if was_pressed and self.selection is not None:
            self._copy()

    def select_at(self, at: Offset, *, whole_line: bool) -> None:
        """Selects and copies the word in a cell of the view, or the line."""
        painter = self._painter
        if painter is None or at.y >= len(painter.rows):
            return
        position = painter.rows[at.y].position_at(at.x)
        line = painter.log.line_at(position.offset)
        if line is None:
            return
        words = [range(len(line.text))] if whole_line else find_words(line.text)
        for word in words:
            if word and position.character in word:
                self.selection = TextSelection(
                    TextPosition(line.offset, word.start), TextPosition(line.offset, word.stop)
                )
                self._redraw()
                self._copy()

    def _extract(self, selection: TextSelection, painter: LinePainter, lines: list[ShownLine]) -> str:
        """Returns the selected text of these lines. Whole lines have what stands before them."""
        if not selection.is_lines:
            return selection.extract(lines)
        return "\n".join(painter.get_prefix(line) + line.text for line in lines)

    def _move_to_line(self, find: Callable[[LinePainter], list[ShownLine]]) -> None:
        if self.selection is not None and self._painter is not None and (found := find(self._painter)):
            self._select_lines(self.selection.anchor, TextPosition(found[0].offset))

    def _select_lines(self, anchor: TextPosition, head: TextPosition) -> None:
        self.selection = TextSelection(anchor, head, is_lines=True)
        self._reveal(head.offset)
        self._redraw()

    def _extend(self) -> None:
        """Selects from where the mouse was pressed to where it is. Both cells are selected."""
        painter, pressed = self._painter, self._pressed
        if painter is None or pressed is None or not painter.rows:
            return
        if self.selection is None:
            self._anchor = self._cell_edges(pressed)
        here = self._cell_edges(self._pointer)
        backwards = here[0] < self._anchor[0]
        anchor, head = (self._anchor[1], here[0]) if backwards else (self._anchor[0], here[1])
        self.selection = TextSelection(anchor, head, cells=painter.visible_cells)
        self._redraw()

    def _cell_edges(self, at: Offset) -> tuple[TextPosition, TextPosition]:
        """Returns the positions before and after the character in a cell of the view."""
        assert self._painter is not None  # its caller checks it
        rows = self._painter.rows
        if at.y >= len(rows):
            last = rows[-1].position_at(self._view.size.width)
            return last, last
        row = rows[max(0, at.y)]
        x = 0 if at.y < 0 else at.x
        return row.position_at(x), row.position_at(x, after=True)

    def _drag_past_edge(self) -> None:
        self._scroll(-1 if self._pointer.y < 0 else 1)
        self._extend()

    def _end_drag(self) -> None:
        self._stop_edge()
        if self._pressed is not None:
            self._pressed = None
            self._view.release_mouse()

    def _stop_edge(self) -> None:
        if self._edge_timer is not None:
            self._edge_timer.stop()
            self._edge_timer = None
