"""Queues keys and pasted text so that they take effect in the order in which they were typed.

Textual hands a key to the widget that has the focus at that moment and carries out its binding later, after the event
has bubbled up. Keys that arrive together (a slow link, a busy machine) would then reach the widget that had the focus
before. Here, a key waits until the previous key has been handled: a widget stopped it, or it bubbled back to the app.
After a key that opened a screen, the next key also waits until that screen can take keys.

A time limit can't distinguish a lost key from a busy machine. A key is lost when the widget that has it is removed. The
other limits count turns of the event loop, which are as slow as the machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events
from textual._context import active_message_pump
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget

from flow_tui.shell_key_hold import KeyHold

if TYPE_CHECKING:
    from textual.app import App

    _App = App[Any]
else:
    _App = object

_WAITING_MAX = 4096
_TURN_S = 0.005
_AFTER_BINDING_TURNS = 6  # an action may open its screen from a worker
_READY_TURNS = 100  # a screen without a focusable widget takes keys itself
_LOST_TURNS = 400  # a widget that keeps a key must not block the keyboard


def _do_nothing() -> None:
    """Does nothing. The default of `stop`: escape then only drops the keys."""


def hold_keys(screen: Screen[Any], stop: Callable[[], None] = _do_nothing) -> KeyHold:
    """Holds the keys that are typed on this screen from now on, for a shell that is being opened.

    The caller must end the hold. `stop` is called when the user presses escape meanwhile.
    """
    app = screen.app
    return app.hold_keys(screen, stop) if isinstance(app, KeyQueue) else KeyHold(screen, stop, ())


class KeyQueue(_App):
    """An app mixin that handles the next key only after the previous one. Put it before App in the bases."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._typed: deque[events.Key | events.Paste] = deque(maxlen=_WAITING_MAX)
        self._under_way: events.Key | events.Paste | None = None
        self._began: events.Key | None = None
        self._holder: MessagePump | None = None
        self._began_on: Screen[Any] | None = None
        self._hold: KeyHold | None = None

    def hold_keys(self, screen: Widget, stop: Callable[[], None]) -> KeyHold:
        if self._hold is not None:
            self._hold.end()
        self._hold = KeyHold(screen, stop, self._typed)
        return self._hold

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent | events.Paste) and not self.screen_stack:
            return  # the app is ending
        if not isinstance(event, events.Key | events.Paste):
            await super().on_event(event)
        elif event.is_forwarded:
            self._holder = self
            await super().on_event(event)  # its binding runs here
            self._done(event, turns=_AFTER_BINDING_TURNS)
        elif self._under_way is None or self._under_way is event:
            await self._start(event)
        else:
            self._typed.append(event)

    async def _start(self, event: events.Key | events.Paste) -> None:
        self._under_way = event
        if self._is_held(event):
            self._start_next()
            return
        if isinstance(event, events.Paste):
            await super().on_event(event)
            self._start_next()  # the target widget has it in its queue
            return
        self._began, self._began_on = event, self.screen
        self._holder = self.focused or self.screen
        self._follow(event)
        asyncio.get_running_loop().call_later(_TURN_S, self._poll_event, event, _LOST_TURNS)
        await super().on_event(event)
        if not event.is_forwarded:  # a priority binding took it
            self._done(event)

    def _is_held(self, event: events.Key | events.Paste) -> bool:
        if self._hold is None:
            return False
        is_held = self._hold.takes(event, self.screen)
        if self._hold.is_over:
            self._hold = None
        return is_held

    def _follow(self, event: events.Key) -> None:
        """Tracks which widget has the event, and when a widget stops it."""
        stop, bubble_to = event.stop, event._bubble_to

        def stop_and_note(stop_now: bool = True) -> events.Key:
            stop(stop_now)
            asyncio.get_running_loop().call_soon(self._handle_stop, event, active_message_pump.get(None))
            return event

        def bubble_and_note(parent: MessagePump) -> None:
            self._holder = parent
            bubble_to(parent)

        event.stop = stop_and_note  # type: ignore[method-assign, assignment]
        event._bubble_to = bubble_and_note  # type: ignore[method-assign, assignment]

    def _handle_stop(self, event: events.Key, by: MessagePump | None) -> None:
        """Ends the event if a widget stopped it. A screen also stops a key whose binding the app still has to run."""
        if not (isinstance(by, Screen) and self._holder is self):
            self._done(event)

    def _poll_event(self, event: events.Key, turns: int) -> None:
        if self._began is not event:
            return
        if turns <= 0 or not _is_alive(self._holder):
            self._done(event)
        else:
            asyncio.get_running_loop().call_later(_TURN_S, self._poll_event, event, turns - 1)

    def _done(self, event: events.Key | events.Paste, turns: int = 0) -> None:
        if self._under_way is not event or self._began is not event:
            return
        self._began = None
        if turns and self._typed:
            self._wait_for_binding(turns)
        else:
            self._start_next()

    def _wait_for_binding(self, turns: int) -> None:
        if not self.screen_stack:
            return
        if self.screen is not self._began_on:
            self._wait_for_focus(_READY_TURNS)
        elif turns <= 0:
            self._start_next()
        else:
            asyncio.get_running_loop().call_later(_TURN_S, self._wait_for_binding, turns - 1)

    def _wait_for_focus(self, turns: int) -> None:
        """Starts the next key once the new screen has a focused widget, because only then it takes keys."""
        if not self.screen_stack:
            return
        if self.screen.focused is not None or turns <= 0:
            self._start_next()
        else:
            asyncio.get_running_loop().call_later(_TURN_S, self._wait_for_focus, turns - 1)

    def _start_next(self) -> None:
        self._under_way = self._typed.popleft() if self._typed else None
        if self._under_way is not None:
            self.post_message(self._under_way)  # keys that are typed meanwhile are queued


def _is_alive(pump: MessagePump | None) -> bool:
    return pump is not None and pump._running and not pump._closing and not pump._closed
