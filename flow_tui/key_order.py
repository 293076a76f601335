"""Keys take effect in the order they were typed.

Textual hands a key to the widget that has the focus at that moment and carries out its binding later, after
the event has bubbled up. Keys that arrive together (a slow link, somebody fast) would then reach the widget
that had the focus before. Here a key waits until the one before it has been dealt with: stopped by a widget,
or bubbled back to the app; and after a key that opened a screen, until that screen can take keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from textual import events
from textual._context import active_message_pump
from textual.screen import Screen

if TYPE_CHECKING:
    from textual.app import App

    _App = App[Any]
else:
    _App = object

_WAITING_MAX = 4096
_LOST_S = 0.25
_LOOK_S = 0.005
_AFTER_BINDING_S = 0.03  # an action may open its screen from a worker
_READY_S = 0.5


class OrderedKeys(_App):
    """Put before App among the bases."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._typed: deque[events.Key] = deque(maxlen=_WAITING_MAX)
        self._under_way: events.Key | None = None
        self._began: events.Key | None = None
        self._bubbled: events.Key | None = None
        self._fallback: asyncio.TimerHandle | None = None
        self._began_on: Screen[Any] | None = None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key):
            await super().on_event(event)
        elif event.is_forwarded:
            self._bubbled = event
            await super().on_event(event)  # its binding runs here
            self._done(event, pause_s=_AFTER_BINDING_S)
        elif self._under_way is None or self._under_way is event:
            await self._start(event)
        else:
            self._typed.append(event)

    async def _start(self, event: events.Key) -> None:
        self._under_way = self._began = event
        loop = asyncio.get_running_loop()
        screen, stop = self.screen, event.stop

        def stopped(stop_now: bool = True) -> events.Key:
            stop(stop_now)
            # A screen stops what it hands up to the app, which carries out the binding only then.
            if self._bubbled is not event and not isinstance(active_message_pump.get(None), Screen):
                loop.call_soon(self._done, event)
            return event

        event.stop = stopped  # type: ignore[method-assign, assignment]
        self._began_on = screen
        self._fallback = loop.call_later(_LOST_S, self._done, event)
        await super().on_event(event)
        if not event.is_forwarded:  # a priority binding took it
            self._done(event)

    def _done(self, event: events.Key, pause_s: float = 0.0) -> None:
        if self._under_way is not event or self._began is not event:
            return
        self._began = None
        if self._fallback is not None:
            self._fallback.cancel()
        loop = asyncio.get_running_loop()
        if pause_s and self._typed:
            loop.call_later(pause_s, self._await_screen, loop.time() + _READY_S)
        else:
            self._go_on()

    def _await_screen(self, until: float) -> None:
        """A screen that was just opened takes keys once something in it has the focus."""
        loop = asyncio.get_running_loop()
        if self.screen is self._began_on or self.screen.focused is not None or loop.time() >= until:
            self._go_on()
        else:
            loop.call_later(_LOOK_S, self._await_screen, until)

    def _go_on(self) -> None:
        self._under_way = self._typed.popleft() if self._typed else None
        if self._under_way is not None:
            self.post_message(self._under_way)  # what is typed meanwhile waits its turn
