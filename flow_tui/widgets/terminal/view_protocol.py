"""The interface that a terminal view provides to its parts."""

from __future__ import annotations

from typing import Protocol

from textual.timer import Timer, TimerCallback

from flow_tui.terminal.prefix import Command


class TerminalHost(Protocol):
    """The widget that a part belongs to. `TerminalView` is one."""

    def paint_frame(self) -> None:
        """Paints all changes now."""

    def show_frame(self) -> None:
        """Paints all changes and draws them at once."""

    def carry_out(self, command: Command, digit: int = 0) -> None:
        """Carries out a command, or passes it to the pane. `digit` is the number of a pane."""

    def copy_text(self, text: str) -> None:
        """Copies text to the clipboard of the user."""

    def confirm_paste(self, text: str) -> None:
        """Asks whether to paste several lines, which the shell would run."""

    def announce_change(self) -> None:
        """Announces that something in the border changed."""

    def ring(self) -> None:
        """Rings the bell of the user's terminal."""

    def set_timer(self, delay: float, callback: TimerCallback | None = None) -> Timer:
        """Calls `callback` once, after `delay` seconds."""

    def set_interval(self, interval: float, callback: TimerCallback | None = None) -> Timer:
        """Calls `callback` every `interval` seconds."""
