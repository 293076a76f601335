"""Presses keys, and triggers actions by their ids with the keys that are bound to them now.

A test that names an action by its id depends on no default key.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.pilot import Pilot

from flow_tui.action_table import ACTIONS
from flow_tui.app import FlowApp
from flow_tui.key_queue import KeyQueue
from flow_tui.keymap import Keymap
from flow_tui.terminal.prefix import PREFIX_KEYS, RELEASE_KEY, Command

_DEFAULT_KEYS = Keymap(ACTIONS)


async def press(pilot: Pilot[Any], *keys: str | Command) -> None:
    """Presses each key in turn.

    The id of an action, such as "tasks.cancel" or "form.send", stands for its key; a command of the shell pane stands
    for the prefix and the key after it.
    """
    is_queued = isinstance(pilot.app, KeyQueue)  # else keys that arrive together may go to the wrong widget
    for kind, group in groupby(keys, _kind):
        if kind == "text" and is_queued:
            type_at_once(pilot.app, "".join(group))
            await pilot.pause()
        elif kind == "action":
            for action in group:
                await pilot.press(*_keys_of(pilot.app, action))
        else:
            await pilot.press(*group)


def type_at_once(app: App[Any], text: str) -> None:
    """Types as when a slow link brings all keys together."""
    parser = XTermParser()
    for event in [*parser.feed(text.replace("\n", "\r")), *parser.feed("")]:
        app.post_message(event)


def key_of(app: App[Any], action_id: str) -> str:
    """The first key of an action, as Textual names it: that of the screen on top, else that of the keymap."""
    for key, active in app.screen.active_bindings.items():
        if active.binding.id == action_id:
            return key
    keys = app.keys if isinstance(app, FlowApp) else _DEFAULT_KEYS
    return keys.keys_of(action_id)[0]


def _kind(key: str | Command) -> str:
    if isinstance(key, Command) or "." in key[1:]:
        return "action"
    return "text" if len(key) == 1 else "key"


def _keys_of(app: App[Any], action: str | Command) -> tuple[str, ...]:
    if isinstance(action, Command):
        return RELEASE_KEY, next(row.key for row in PREFIX_KEYS if row.command is action)
    return (key_of(app, action),)
