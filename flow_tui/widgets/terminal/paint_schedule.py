"""Schedules when a view paints: immediately after a pause, up to 60 times a second, not in a synchronized update.

Frames take at most a quarter of the time, so that on a busy machine a flood of output is read instead of drawn. The
first frame after a key, which may show its echo, doesn't wait for that.
"""

from __future__ import annotations

import asyncio

from textual.timer import Timer

from flow_tui.widgets.terminal.view_protocol import TerminalHost

_FRAME_S = 1 / 60
_REST_TO_FRAME = 4
_LONGEST_PAUSE_S = 0.1
_MAX_UPDATE_S = 0.15  # a program that forgets to end its synchronized update must not freeze the view


class PaintSchedule:
    """A schedule that calls the view's `show_frame` when a frame is due. No timer runs without changes to paint."""

    def __init__(self, host: TerminalHost) -> None:
        self._host = host
        self._painted_at = float("-inf")
        self._is_in_update = False
        self._timer: Timer | None = None
        self._pause_s = _FRAME_S
        self._is_echo_expected = False

    def request_paint(self, *, is_in_update: bool) -> None:
        """Schedules a paint at the next frame; during a synchronized update at its end, at the latest after 0.15 s."""
        is_due_sooner = not is_in_update and (self._is_in_update or self._is_echo_expected)
        if is_in_update and not self._is_in_update:
            delay_s = _MAX_UPDATE_S
        elif self._timer is None or is_due_sooner:
            pause_s = _FRAME_S if self._is_echo_expected else self._pause_s
            delay_s = self._painted_at + pause_s - asyncio.get_running_loop().time()
        else:
            return
        self._is_in_update = is_in_update
        self._paint_in(delay_s)

    def expect_echo(self) -> None:
        """Notes that the user typed something."""
        self._is_echo_expected = True

    def note_painted(self) -> None:
        """Notes the time of a frame. The view calls it at the start of every frame."""
        self._timer = None
        self._is_echo_expected = False
        self._painted_at = asyncio.get_running_loop().time()

    def _paint_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if delay_s <= 0:
            self._show_frame()
        else:
            self._timer = self._host.set_timer(delay_s, self._show_frame)

    def _show_frame(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._host.show_frame()
        self._pause_s = max(_FRAME_S, min((loop.time() - began) * _REST_TO_FRAME, _LONGEST_PAUSE_S))
