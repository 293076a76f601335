"""The terminal of a recording, at its own size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.timer import Timer

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.player import Player
from flow_tui.widgets.terminal_rows import TerminalRows

_TICK_S = 1 / 30


class ReplayView(TerminalRows):
    """Plays while it is mounted, and calls `moved` with every frame. No timer runs while nothing moves."""

    def __init__(self, player: Player, moved: Callable[[], None]) -> None:
        super().__init__()
        self.player = player
        self._moved = moved
        self._ticked_at = 0.0
        self._ticker: Timer | None = None

    @property
    def core(self) -> TerminalCore | None:
        return self.player.core

    def on_mount(self) -> None:
        self._fit()
        self._ticker = self.set_interval(_TICK_S, self._tick)
        self.go_on()

    def on_unmount(self) -> None:
        self.player.core.close()

    def go_on(self) -> None:
        """After the player was told something."""
        self._ticked_at = asyncio.get_running_loop().time()
        if self._ticker is not None:
            self._ticker.resume()

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        self.player.tick(now - self._ticked_at)
        self._ticked_at = now
        if not self.player.is_caught_up:
            return
        self._fit()
        self.paint_frame()
        self._moved()
        if not self.player.is_playing and self._ticker is not None:
            self._ticker.pause()

    def _fit(self) -> None:
        self.styles.width, self.styles.height = self.player.core.cols, self.player.core.rows
