"""The mouse in a terminal: reported to the program that asked for it, otherwise for scrolling and selecting."""

from __future__ import annotations

from textual import events

from flow_tui.terminal.keys import encode_key
from flow_tui.terminal.mouse import NO_BUTTON, WHEEL_DOWN, WHEEL_UP, Action, encode_mouse
from flow_tui.widgets.terminal_copying import CopyingRows

_WHEEL_ROWS = 3
_LEFT = 1


class MouseRows(CopyingRows):
    """With shift, the mouse is always ours."""

    @property
    def is_live(self) -> bool:
        """True while there is somebody to report to."""
        return False

    def send_to_program(self, data: bytes) -> None:
        """What the far side is told."""

    async def _on_mouse_down(self, event: events.MouseDown) -> None:
        if self._report("press", event, event.button - 1):
            self.capture_mouse()
        elif event.button == _LEFT:
            self.begin_drag(event)
            self.capture_mouse()

    async def _on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        if not self._is_dragging:
            self._report("release", event, event.button - 1)
        self.end_drag()

    def _on_mouse_move(self, event: events.MouseMove) -> None:
        if self._is_dragging:
            self.drag(event)
        else:
            self._report("move", event, event.button - 1 if event.button else NO_BUTTON)

    async def _on_click(self, event: events.Click) -> None:
        if event.button == _LEFT and not self._wants(event):
            self.select_at(event)

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, WHEEL_UP, _WHEEL_ROWS)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, WHEEL_DOWN, -_WHEEL_ROWS)

    def _wheel(self, event: events.MouseEvent, button: int, rows: int) -> None:
        event.stop()
        event.prevent_default()
        core = self.core
        if core is None or self._report("press", event, button):
            return
        if core.modes.alternate_screen:  # nothing to scroll there, but pagers and editors know arrows
            self.send_to_program(encode_key("up" if rows > 0 else "down", None, core.modes) * _WHEEL_ROWS)
        else:
            self.scroll_view(max(0, min(core.scroll_offset + rows, core.scrollback_rows)))

    def _wants(self, event: events.MouseEvent) -> bool:
        return self.core is not None and self.is_live and not event.shift and bool(self.core.modes.mouse)

    def _report(self, action: Action, event: events.MouseEvent, button: int) -> bool:
        """True if the far side was told. Shift keeps an event from it."""
        core = self.core
        if core is None or not self._wants(event):
            return False
        x, y = max(0, min(event.x, core.cols - 1)), max(0, min(event.y, core.rows - 1))
        report = encode_mouse(action, button, x, y, 8 * event.meta + 16 * event.ctrl, core.modes)
        self.send_to_program(report)
        return bool(report)
