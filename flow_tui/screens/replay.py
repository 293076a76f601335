"""Plays a recorded shell."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical
from textual.content import Content
from textual.widgets import Static

from flow_tui.dialogs.modal import Modal
from flow_tui.terminal.cast_reader import Cast, read_cast
from flow_tui.terminal.core_loader import load_core
from flow_tui.terminal.player import Player
from flow_tui.widgets.terminal.replay_view import ReplayView

_SKIP_S = 5.0


async def open_replay(path: Path) -> Replay:
    """Reads the recording, which takes seconds if it is large. Raises FlowError."""
    cast = await asyncio.to_thread(read_cast, path)
    open_core = await asyncio.to_thread(load_core)
    return Replay(cast, Player(cast, open_core(*cast.size)))


class Replay(Modal[None]):
    """A player that shows what the recorded terminal showed. It carries out nothing of the recording."""

    DEFAULT_CSS = """
    Replay { align: center middle; }
    Replay > Vertical { border: heavy $accent; width: auto; height: auto; max-width: 100%; max-height: 100%; }
    Replay ScrollableContainer { width: auto; height: auto; max-width: 100%; max-height: 100%; }
    Replay Static { height: 1; width: 1fr; color: $muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "finish", "close", id="replay.close", tooltip="Back to the dashboard"),
        Binding("space", "pause", "pause", id="replay.pause", tooltip="Pause or continue", priority=True),
        Binding("left,h", "skip(-1)", "back", id="replay.back", tooltip="Five seconds back", priority=True),
        Binding("right,l", "skip(1)", "forward", id="replay.forward", tooltip="Five seconds forward", priority=True),
        Binding("home,0,g", "start", "start", id="replay.start", tooltip="From the start", priority=True),
        Binding("plus,up", "faster(1)", "faster", id="replay.faster", tooltip="Twice as fast", priority=True),
        Binding("minus,down", "faster(-1)", "slower", id="replay.slower", tooltip="Half as fast", priority=True),
    ]

    def __init__(self, cast: Cast, player: Player) -> None:
        super().__init__()
        self._cast = cast
        self._player = player
        self._view = ReplayView(player, self._show_progress)
        self._progress = Static(markup=False)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f"REPLAY  {self._cast.title}")
            box.border_subtitle = Content("space pause  left right 5 s  + - speed  home start  q close")
            with ScrollableContainer():
                yield self._view
            yield self._progress

    def on_mount(self) -> None:
        self._show_progress()

    def action_pause(self) -> None:
        self._player.toggle()
        self._resume()

    def action_skip(self, step: int) -> None:
        self._player.seek(self._player.at_s + step * _SKIP_S)
        self._resume()

    def action_start(self) -> None:
        self._player.seek(0.0)
        self._resume()

    def action_faster(self, step: int) -> None:
        self._player.change_speed(step)
        self._resume()

    def _resume(self) -> None:
        self._view.go_on()
        self._show_progress()

    def _show_progress(self) -> None:
        player = self._player
        state = "playing" if player.is_playing else "at the end" if player.is_at_end else "paused"
        when = f"{_format_time(player.at_s)} / {_format_time(self._cast.duration_s)}"
        self._progress.update(f"{when}  {player.speed:g}x  {state}")


def _format_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
