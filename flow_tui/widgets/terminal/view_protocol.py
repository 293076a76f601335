"""What the parts of a terminal view may ask of the view."""

from __future__ import annotations

from typing import Protocol

from textual.timer import Timer, TimerCallback

from flow_tui.terminal.prefix import Command


class TerminalHost(Protocol):
    """The widget that a part belongs to. `TerminalView` is one."""

    def paint_frame(self) -> None:
        """Paint what has changed, now."""

    def carry_out(self, command: Command, digit: int = 0) -> None:
        """Carry out a command, or pass it on to the pane. `digit` is the number of a pane."""

    def copy_text(self, text: str) -> None:
        """Put text on the clipboard of the user."""

    def confirm_paste(self, text: str) -> None:
        """Ask whether to paste several lines, which the shell would run."""

    def announce_change(self) -> None:
        """Announce that something changed that the border shows."""

    def ring(self) -> None:
        """Ring the bell of the user's terminal."""

    def set_timer(self, delay: float, callback: TimerCallback | None = None) -> Timer:
        """Call `callback` once, after `delay` seconds."""

    def set_interval(self, interval: float, callback: TimerCallback | None = None) -> Timer:
        """Call `callback` every `interval` seconds."""
