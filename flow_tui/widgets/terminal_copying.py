"""A terminal that can be looked back through, searched and copied from, with keys or the mouse."""

from __future__ import annotations

from textual import events
from textual.geometry import Offset
from textual.timer import Timer

from flow_tui.terminal.copy_mode import CopyMode, Mark, Unit
from flow_tui.terminal.core import Cursor, TerminalCore
from flow_tui.terminal.text_range import CellPosition, line_at, top_line, word_at
from flow_tui.widgets.terminal_rows import TerminalRows

_EDGE_S = 0.05


class CopyingRows(TerminalRows):
    """Rows with copy mode. What is drawn over them follows `copying`, which is None while nobody looks back."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.copying: CopyMode | None = None
        self._is_dragging = False
        self._edge_timer: Timer | None = None
        self._edge = Offset(0, 0)

    @property
    def is_in_copy_mode(self) -> bool:
        """True while keys are for `copying`; the mouse may select without that."""
        return False

    def copied(self, text: str) -> None:
        """Told of what was taken."""

    def shown_cursor(self, core: TerminalCore) -> Cursor:
        return self.copying.cursor if self.copying is not None else core.cursor

    def shown_marks(self) -> dict[int, list[Mark]]:
        return self.copying.marks() if self.copying is not None else {}

    @property
    def position(self) -> tuple[int, int] | None:
        """How many rows the view stands above the live screen, and how many there are; None when it is live."""
        core = self.core
        if core is None or not core.scroll_offset:
            return None
        return core.scroll_offset, core.scrollback_rows

    def start_copying(self) -> None:
        """Puts the cursor of copy mode where the shell's stands."""
        if self.core is not None:
            self.copying = CopyMode(self.core)
            self.paint_frame()

    def copy_key(self, event: events.Key) -> None:
        """A key for copy mode; it may end it."""
        if self.copying is None:
            return
        self.copying.press(event.character if event.is_printable and event.character else event.key)
        self._after_copying()

    def stop_copying(self) -> None:
        """Back to the live screen."""
        self._stop_edge()
        if self.copying is not None or self.position is not None:
            self.copying = None
            self.scroll_view(0)
            self.paint_frame()

    def scroll_view(self, offset: int) -> None:
        core = self.core
        if core is not None and core.scroll_offset != offset:
            core.scroll_to(offset)
            self.paint_frame()

    def _after_copying(self) -> None:
        copying = self.copying
        if copying is not None and copying.is_over:
            self.stop_copying()
            if copying.text:
                self.copied(copying.text)
        else:
            self.paint_frame()

    def begin_drag(self, event: events.MouseEvent) -> None:
        """A button went down: what was selected is dropped, and a selection may begin here."""
        core = self.core
        if core is None:
            return
        if self.copying is None or not self.is_in_copy_mode:
            self.copying = CopyMode(core)
        self.copying.drop_selection()
        self.copying.go_to(self._position(core, event.x, event.y))
        self._is_dragging = True
        self.paint_frame()

    def drag(self, event: events.MouseEvent) -> None:
        core = self.core
        if core is None or self.copying is None or not self._is_dragging:
            return
        self.copying.drag_to(self._position(core, event.x, event.y))
        self._edge = event.offset
        if 0 <= event.y < core.rows:
            self._stop_edge()
        elif self._edge_timer is None:
            self._edge_timer = self.set_interval(_EDGE_S, self._drag_past_edge)
        self.paint_frame()

    def end_drag(self) -> None:
        """What the mouse selected is copied at once and stays marked; a mere click selects nothing."""
        self._stop_edge()
        if not self._is_dragging:
            return
        self._is_dragging = False
        if self.copying is not None and self.copying.selection is not None:
            self._take_marked()
        elif not self.is_in_copy_mode:
            self.copying = None
            self.paint_frame()

    def select_at(self, event: events.Click) -> None:
        """A word at the second click, the line at the third."""
        core = self.core
        if core is None or event.chain < 2:
            return
        position = self._position(core, event.x, event.y)
        if self.copying is None or not self.is_in_copy_mode:
            self.copying = CopyMode(core)
        text_range = word_at(core, position) if event.chain == 2 else line_at(core, position)
        self.copying.select(text_range, Unit.CELLS if event.chain == 2 else Unit.LINES)
        self._take_marked()

    def _take_marked(self) -> None:
        if self.copying is not None:
            text = self.copying.take_marked()
            if text:
                self.copied(text)
            self.paint_frame()

    def _drag_past_edge(self) -> None:
        core = self.core
        if core is not None and self.copying is not None:
            self.copying.drag_to(self._position(core, self._edge.x, self._edge.y))
            self.paint_frame()

    def _stop_edge(self) -> None:
        if self._edge_timer is not None:
            self._edge_timer.stop()
            self._edge_timer = None

    def _position(self, core: TerminalCore, x: int, y: int) -> CellPosition:
        return CellPosition(top_line(core) + y, max(0, min(x, core.cols - 1)))
