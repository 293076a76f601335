"""Plays a recording into a terminal core. Ignores its queries, bells and clipboard requests."""

from __future__ import annotations

import time

from flow_tui.terminal.cast_reader import Cast
from flow_tui.terminal.core import TerminalCore

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_BUDGET_S = 0.008


class Player:
    """The playback state of a recording. `tick` feeds the core, for at most a few milliseconds."""

    def __init__(self, cast: Cast, core: TerminalCore) -> None:
        self.cast = cast
        self.core = core
        self.at_s = 0.0
        self.speed = 1.0
        self.is_playing = True
        self._next = 0

    @property
    def is_caught_up(self) -> bool:
        """True once the core has received all output up to `at_s`."""
        events = self.cast.events
        return self._next >= len(events) or events[self._next].at_s > self.at_s

    @property
    def is_at_end(self) -> bool:
        return self.at_s >= self.cast.duration_s

    def tick(self, passed_s: float) -> None:
        """Advances the time if it plays, and feeds the core up to that time."""
        if self.is_playing and self.is_caught_up:
            self.at_s = min(self.at_s + passed_s * self.speed, self.cast.duration_s)
            self.is_playing = not self.is_at_end
        until = time.monotonic() + _BUDGET_S
        while not self.is_caught_up and time.monotonic() < until:
            self._show_next()
        self.core.events.take_replies()
        self.core.events.take_clipboard()
        self.core.events.take_bell()

    def toggle(self) -> None:
        """Pauses or resumes; restarts at the end."""
        if not self.is_playing and self.is_at_end:
            self.seek(0.0)
        self.is_playing = not self.is_playing

    def seek(self, at_s: float) -> None:
        """Jumps to another time. `tick` then plays the output in between."""
        at_s = max(0.0, min(at_s, self.cast.duration_s))
        if at_s < self.at_s:
            self._next = 0
            self.core.feed(b"\x18\x1bc\x1b[3J")
            self.core.resize(*self.cast.size)
        self.at_s = at_s

    def change_speed(self, step: int) -> None:
        self.speed = SPEEDS[max(0, min(SPEEDS.index(self.speed) + step, len(SPEEDS) - 1))]

    def _show_next(self) -> None:
        event = self.cast.events[self._next]
        self._next += 1
        if event.size is not None:
            self.core.resize(*event.size)
        else:
            self.core.feed(event.output)
