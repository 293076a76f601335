"""A widget that plays a recorded terminal session, in the recorded size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from flow_tui.terminal.player import Player
from flow_tui.widgets.terminal.painter import TerminalPainter

_TICK_S = 1 / 30


class ReplayView(Widget):
    """A view that plays while it is mounted, and calls `moved` after every frame. No timer runs while it is paused."""

    ALLOW_SELECT = False

    def __init__(self, player: Player, moved: Callable[[], None]) -> None:
        super().__init__()
        self.player = player
        self._moved = moved
        self._painter = TerminalPainter(self)
        self._ticked_at = 0.0
        self._ticker: Timer | None = None

    def on_mount(self) -> None:
        self._fit()
        self._ticker = self.set_interval(_TICK_S, self._tick)
        self.go_on()

    def on_unmount(self) -> None:
        self.player.core.close()

    def go_on(self) -> None:
        """Resumes the timer. Call it after every change of the player."""
        self._ticked_at = asyncio.get_running_loop().time()
        if self._ticker is not None:
            self._ticker.resume()

    def render_line(self, y: int) -> Strip:
        return self._painter.render_line(y)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painter.restyle(self.player.core)

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        self.player.tick(now - self._ticked_at)
        self._ticked_at = now
        if not self.player.is_caught_up:
            return
        self._fit()
        self._painter.paint(self.player.core)
        self._moved()
        if not self.player.is_playing and self._ticker is not None:
            self._ticker.pause()

    def _fit(self) -> None:
        self.styles.width, self.styles.height = self.player.core.cols, self.player.core.rows
