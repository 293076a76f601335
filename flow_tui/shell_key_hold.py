"""Holds the keys that the user types after the action that opens a shell, until the shell has the focus."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual import events
from textual.widget import Widget

_HELD_MAX = 1024
_PAUSE_S = 0.5
STOP_KEY = "escape"

Typed = events.Key | events.Paste


class KeyHold:
    """A hold of the keys that are typed while `screen` is on top. Keys of a dialog above it are never held.

    A hold ends in one of these ways:
    - The shell has the focus and gets the keys (`hand_over`).
    - The shell could not be opened (`end`). The keys are dropped. So are the keys that follow without a pause: they are
      meant for the shell and must not act as commands of the dashboard.
    - The user presses escape. The keys are dropped and `stop` is called.
    """

    def __init__(self, screen: Widget, stop: Callable[[], None], waiting: Sequence[Typed]) -> None:
        """Starts the hold. `waiting` is the input that was typed before and is not handled yet."""
        self._screen = screen
        self.stop = stop
        self._waiting = waiting
        self._held: list[Typed] = []
        self._drops_until: float | None = None
        self.is_over = False

    def takes(self, event: Typed, screen: Widget) -> bool:
        """Holds or drops the event if it must not reach the focused widget of `screen`. Returns whether it did."""
        if self.is_over or screen is not self._screen:
            return False
        if self._drops_until is not None:
            return self._drop()
        if isinstance(event, events.Key) and event.key == STOP_KEY:
            self._held.clear()
            self.is_over = True
            self.stop()
        elif len(self._held) < _HELD_MAX:
            self._held.append(event)
        else:
            self._screen.app.bell()
        return True

    def hand_over(self, shell: Widget) -> None:
        """Gives the keys to the shell in the order in which they were typed. Drops them if the shell has no focus."""
        if self.is_over or self._drops_until is not None:
            return
        if not shell.is_attached or shell.screen.focused is not shell:
            self.drop_until_pause()
            return
        self.is_over = True
        for event in self._held:
            shell._forward_event(event)  # as the app does, so that no later key can overtake these

    def end(self) -> None:
        """Drops the keys. Does nothing once the shell has them."""
        if self.is_over or self._drops_until is not None:
            return
        if self._held:
            self.drop_until_pause()
        else:
            self.is_over = True

    def refuse(self) -> None:
        """Drops the keys that were typed together with a key that can't open a shell."""
        if self._waiting:
            self.drop_until_pause()
        else:
            self.is_over = True

    def drop_until_pause(self) -> None:
        """Drops the keys, and those that follow without a pause."""
        self._held.clear()
        self._drops_until = time.monotonic() + _PAUSE_S
        self._screen.app.bell()

    def _drop(self) -> bool:
        now = time.monotonic()
        self.is_over = self._drops_until is not None and now >= self._drops_until
        self._drops_until = now + _PAUSE_S
        return not self.is_over
