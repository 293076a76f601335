"""Handles the mouse in a terminal view: reports it to a program that requested that, or else scrolls and selects."""

from __future__ import annotations

from textual import events

from flow_tui.terminal.input_encoding import NO_BUTTON, WHEEL_DOWN, WHEEL_UP, MouseAction, encode_key, encode_mouse
from flow_tui.widgets.terminal.selection import TerminalSelection
from flow_tui.widgets.terminal.terminal_io import TerminalIO

_WHEEL_ROWS = 3
_LEFT = 1


class MouseInput:
    """The mouse input of a view. With shift, no event is reported to the program."""

    def __init__(self, io: TerminalIO, selection: TerminalSelection) -> None:
        self._io = io
        self._selection = selection

    def press(self, event: events.MouseDown) -> bool:
        """Handles a press. Returns whether the view must capture the mouse until the button is released."""
        if self._report("press", event, event.button - 1):
            return True
        if event.button == _LEFT:
            self._selection.begin_drag(event)
            return True
        return False

    def release(self, event: events.MouseUp) -> None:
        if not self._selection.is_dragging:
            self._report("release", event, event.button - 1)
        self._selection.end_drag()

    def move(self, event: events.MouseMove) -> None:
        if self._selection.is_dragging:
            self._selection.drag(event)
        else:
            self._report("move", event, event.button - 1 if event.button else NO_BUTTON)

    def click(self, event: events.Click) -> None:
        if event.button == _LEFT and not self._is_reported(event):
            self._selection.select_at(event)

    def scroll(self, event: events.MouseScrollUp | events.MouseScrollDown) -> None:
        """Handles one step of the wheel."""
        event.stop()
        event.prevent_default()
        core, is_up = self._io.core, isinstance(event, events.MouseScrollUp)
        if core is None or self._report("press", event, WHEEL_UP if is_up else WHEEL_DOWN):
            return
        if core.modes.alternate_screen:  # without scrollback, but pagers and editors handle arrow keys
            self._io.send(encode_key("up" if is_up else "down", None, core.modes) * _WHEEL_ROWS)
        else:
            rows = _WHEEL_ROWS if is_up else -_WHEEL_ROWS
            self._selection.scroll_to(max(0, min(core.scroll_offset + rows, core.scrollback_rows)))

    def _is_reported(self, event: events.MouseEvent) -> bool:
        return self._io.is_live and not event.shift and bool(self._io.modes.mouse)

    def _report(self, action: MouseAction, event: events.MouseEvent, button: int) -> bool:
        """Reports the event if the program requested that. Returns whether it did."""
        core = self._io.core
        if core is None or not self._is_reported(event):
            return False
        x, y = max(0, min(event.x, core.cols - 1)), max(0, min(event.y, core.rows - 1))
        report = encode_mouse(action, button, x, y, 8 * event.meta + 16 * event.ctrl, core.modes)
        self._io.send(report)
        return bool(report)
