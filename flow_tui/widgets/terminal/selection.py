"""Scrolls back, selects and copies in a terminal view, with keys or the mouse."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.geometry import Offset
from textual.timer import Timer

from flow_tui.terminal.copy_mode import CopyMode, Unit
from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.text_range import CellPosition, find_line, find_word, get_top_line
from flow_tui.widgets.terminal.terminal_io import TerminalIO
from flow_tui.widgets.terminal.view_protocol import TerminalHost

_EDGE_S = 0.05


class TerminalSelection:
    """The copy mode of a view. `mode` is None while the view is live and nothing is selected."""

    def __init__(self, host: TerminalHost, io: TerminalIO) -> None:
        self.mode: CopyMode | None = None
        self.has_keys = False
        """True while typed keys go to copy mode. The mouse can also select without that."""
        self.is_dragging = False
        self._host = host
        self._io = io
        self._edge_timer: Timer | None = None
        self._edge = Offset(0, 0)

    @property
    def scroll_position(self) -> tuple[int, int] | None:
        """The rows that the view is scrolled back, and all rows of the scrollback; None while the view is live."""
        core = self._io.core
        if core is None or not core.scroll_offset:
            return None
        return core.scroll_offset, core.scrollback_rows

    def start(self) -> None:
        """Enters copy mode, with its cursor at the cursor of the shell."""
        if self._io.core is not None:
            self.mode = CopyMode(self._io.core)
            self._host.paint_frame()

    def stop(self) -> None:
        """Leaves copy mode and scrolls to the live screen."""
        self._stop_edge()
        if self.mode is not None or self.scroll_position is not None:
            self.mode = None
            self.scroll_to(0)
            self._host.paint_frame()

    def stop_if_outdated(self) -> bool:
        """Leaves copy mode if its positions are no longer valid. Returns whether it did."""
        if self.mode is None or self.mode.is_valid:
            return False
        self.mode = None
        return True

    def press(self, event: events.Key) -> None:
        """Handles a key of copy mode, which may end copy mode."""
        if self.mode is None:
            return
        self.mode.press(event.character if event.is_printable and event.character else event.key)
        if self.mode.is_over:
            text = self.mode.text
            self.stop()
            if text:
                self._host.copy_text(text)
        else:
            self._host.paint_frame()

    def scroll_to(self, offset: int) -> None:
        """Scrolls the view to `offset` rows above the live screen."""
        core = self._io.core
        if core is not None and core.scroll_offset != offset:
            core.scroll_to(offset)
            self._host.paint_frame()

    def keep_across(self, resize: Callable[[], None]) -> None:
        """Resizes the terminal. Copy mode stays on its text."""
        if self.mode is not None:
            self.mode.keep_text_across(resize)
        else:
            resize()

    def begin_drag(self, event: events.MouseEvent) -> None:
        """Drops the selection. A new one may begin at the mouse."""
        core = self._io.core
        if core is None:
            return
        mode = self._mode_for_mouse(core)
        mode.drop_selection()
        mode.go_to(_position(core, event.offset))
        self.is_dragging = True
        self._host.paint_frame()

    def drag(self, event: events.MouseEvent) -> None:
        """Extends the selection to the mouse. Past an edge, it continues to grow while the view scrolls."""
        core = self._io.core
        if core is None or self.mode is None or not self.is_dragging:
            return
        self.mode.drag_to(_position(core, event.offset))
        self._edge = event.offset
        if 0 <= event.y < core.rows:
            self._stop_edge()
        elif self._edge_timer is None:
            self._edge_timer = self._host.set_interval(_EDGE_S, self._drag_past_edge)
        self._host.paint_frame()

    def end_drag(self) -> None:
        """Copies what the mouse selected, and leaves it selected. A click alone selects nothing."""
        self._stop_edge()
        if not self.is_dragging:
            return
        self.is_dragging = False
        if self.mode is not None and self.mode.selection is not None:
            self._copy_selected(self.mode)
        elif not self.has_keys:
            self.mode = None
            self._host.paint_frame()

    def select_at(self, event: events.Click) -> None:
        """Selects and copies the word at a double click, or the line at a triple click."""
        core = self._io.core
        if core is None or event.chain < 2:
            return
        position, mode = _position(core, event.offset), self._mode_for_mouse(core)
        if event.chain == 2:
            mode.select(find_word(core, position), Unit.CELLS)
        else:
            mode.select(find_line(core, position), Unit.LINES)
        self._copy_selected(mode)

    def _mode_for_mouse(self, core: TerminalCore) -> CopyMode:
        if self.mode is None or not self.has_keys:
            self.mode = CopyMode(core)
        return self.mode

    def _copy_selected(self, mode: CopyMode) -> None:
        text = mode.take_marked()
        if text:
            self._host.copy_text(text)
        self._host.paint_frame()

    def _drag_past_edge(self) -> None:
        core = self._io.core
        if core is not None and self.mode is not None:
            self.mode.drag_to(_position(core, self._edge))
            self._host.paint_frame()

    def _stop_edge(self) -> None:
        if self._edge_timer is not None:
            self._edge_timer.stop()
            self._edge_timer = None


def _position(core: TerminalCore, offset: Offset) -> CellPosition:
    return CellPosition(get_top_line(core) + offset.y, max(0, min(offset.x, core.cols - 1)))
