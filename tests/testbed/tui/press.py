"""Presses keys, and triggers actions by their ids with the keys that are bound to them now.

A test that names an action by its id depends on no default key.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from flow_tui.action_table import ACTIONS
from flow_tui.app import FlowApp
from flow_tui.keymap import Keymap
from flow_tui.terminal.prefix import PREFIX_KEYS, RELEASE_KEY, Command

_DEFAULT_KEYS = Keymap(ACTIONS)


async def press(pilot: Pilot[Any], *keys: str | Command) -> None:
    """Presses each key in turn.

    The id of an action, such as "tasks.cancel" or "form.send", stands for its key; a command of the shell pane stands
    for the prefix and the key after it.
    """
    for is_action, group in groupby(keys, _is_action):
        if is_action:
            for key in group:
                await pilot.press(*_keys_of(pilot.app, key))
        else:
            await pilot.press(*group)


def key_of(app: App[Any], action_id: str) -> str:
    """The first key of an action, as Textual names it: that of the screen on top, else that of the keymap."""
    for key, active in app.screen.active_bindings.items():
        if active.binding.id == action_id:
            return key
    keys = app.keys if isinstance(app, FlowApp) else _DEFAULT_KEYS
    return keys.keys_of(action_id)[0]


def _is_action(key: str | Command) -> bool:
    return isinstance(key, Command) or ("." in key and len(key) > 1)


def _keys_of(app: App[Any], key: str | Command) -> tuple[str, ...]:
    if isinstance(key, Command):
        return RELEASE_KEY, next(row.key for row in PREFIX_KEYS if row.command is key)
    return (key_of(app, key),)
