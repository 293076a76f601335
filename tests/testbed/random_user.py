"""A user who presses seeded random keys, resizes the terminal and clicks, while tasks come and go."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from testbed.pty_screen import key_bytes
from textual._xterm_parser import XTermParser
from textual.app import App, ScreenStackError
from textual.errors import NoWidget
from textual.pilot import OutOfBounds, Pilot

from flow_tui.action_table import ACTIONS
from flow_tui.key_names import spell_key

SIZES = ((60, 15), (80, 24), (120, 35), (120, 36), (160, 48), (100, 30), (70, 20), (40, 8), (20, 5), (2, 2), (1, 1))
_TEXTS = ("/status:failed\r", "/status:running\r", "/quick\r", "/step 9.*\r", "/(\r", "zz", "local:/x", "7", "a=b")
_WAYS_OUT = ("esc", "esc", "esc", "q", "enter", "tab", "ctrl+s", "y", "n", "ctrl+c", "backspace")
_OF_DIALOGS = ("[", "]", "m", "d", "Y", "b", "h", "?", "!", "@", "e", "shift+tab", "f4", "alt+enter")
_IN_A_SHELL = ("a", " ", "up", "ctrl+c", "esc")
_AFTER_THE_PREFIX = ("z", "n", "p", "c", "d", "k", "[", "?", "1", "2", "4", "5", "r", "esc", "ctrl+]", "o", "y")
_PACES_S = (0.0, 0.0, 0.0, 0.002, 0.01, 0.06, 0.2)
_REMEMBERED = 80


def keys_of_the_keymap() -> tuple[str, ...]:
    """Every default key, as a name that a terminal program sends."""
    return tuple(sorted({spell_key(key) for action in ACTIONS for key in action.default_keys}))


class RandomUser:
    """Equal seeds do the same. `done` holds the last things that were done, to find a fault again."""

    def __init__(self, seed: int, change_tasks: Callable[[random.Random], Awaitable[None]]) -> None:
        self._random = random.Random(seed)
        self._change_tasks = change_tasks
        self._keys = keys_of_the_keymap()
        self.done: deque[str] = deque(maxlen=_REMEMBERED)
        self.keys_sent = 0

    async def act(self, app: App[Any], pilot: Pilot[Any]) -> None:
        """One burst of keys, or something rarer."""
        chance = self._random.random()
        if chance < 0.06:
            await self._resize(pilot)
        elif chance < 0.09:
            await self._click(app, pilot)
        elif chance < 0.11:
            self.done.append("tasks change")
            await self._change_tasks(self._random)
        else:
            self._press(app)
        await asyncio.sleep(self._random.choice(_PACES_S))

    async def _resize(self, pilot: Pilot[Any]) -> None:
        size = self._random.choice(SIZES)
        self.done.append(f"resize to {size}")
        await pilot.resize_terminal(*size)

    async def _click(self, app: App[Any], pilot: Pilot[Any]) -> None:
        width, height = app.size
        offset = (self._random.randrange(max(1, width)), self._random.randrange(max(1, height)))
        self.done.append(f"click at {offset}")
        with suppress(OutOfBounds, NoWidget, ScreenStackError):  # between two screens, or after the last one
            await pilot.click(offset=offset, times=self._random.choice((1, 2)))

    def _press(self, app: App[Any]) -> None:
        keys = list(self._burst(app))
        self.keys_sent += len(keys)
        self.done.append(" ".join(repr(key) for key in keys))
        for key in keys:
            sent = key_bytes(key).decode()
            parser = XTermParser()
            for event in [*parser.feed(sent), *parser.feed("")]:
                app.post_message(event)

    def _burst(self, app: App[Any]) -> Iterator[str]:
        if getattr(app.focused, "captures_keys", False):
            yield from (self._random.choice(_IN_A_SHELL), "ctrl+]", self._random.choice(_AFTER_THE_PREFIX))
            return
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 5, 8))):
            kind = self._random.random()
            if kind < 0.06:
                yield from self._random.choice(_TEXTS)
            elif kind < 0.3:
                yield self._random.choice(_WAYS_OUT if len(app.screen_stack) > 1 else _OF_DIALOGS)
            elif kind < 0.4:
                yield from [self._random.choice(("down", "up", "j", "k", "pgdn", "right"))] * 4
            else:
                yield self._random.choice(self._keys)
