"""The keymap: every action with the user's keys or the default keys. Footer, help and palette use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from flow_tui.actions import Action
from flow_tui.key_names import format_short_key, spell_key

_NO_KEYS: Mapping[str, Sequence[str]] = MappingProxyType({})


class Keymap:
    """A keymap. It has all actions in the order in which they are listed. `own` has the user's keys by action id."""

    def __init__(self, actions: Sequence[Action[Any]], own: Mapping[str, Sequence[str]] = _NO_KEYS) -> None:
        self.actions = tuple(actions)
        self._by_id = {action.id: action for action in self.actions}
        self._own = {action_id: tuple(keys) for action_id, keys in own.items()}

    def __getitem__(self, action_id: str) -> Action[Any]:
        return self._by_id[action_id]

    def __contains__(self, action_id: str) -> bool:
        return action_id in self._by_id

    def of(self, noun: str) -> tuple[Action[Any], ...]:
        """Returns the actions of a pane, or those of the whole dashboard ("app")."""
        return tuple(action for action in self.actions if action.noun == noun)

    def keys_of(self, action_id: str) -> tuple[str, ...]:
        """Returns the keys of an action, by Textual's names."""
        return self._own.get(action_id) or self._by_id[action_id].default_keys

    def short(self, action_id: str) -> str:
        """Returns the first key as the footer and the palette show it: "^n", "?"."""
        return format_short_key(self.keys_of(action_id)[0])

    def written(self, action_id: str) -> str:
        """Returns the first key as a sentence shows it: "ctrl+n", "?"."""
        return spell_key(self.keys_of(action_id)[0])


def find_clash(actions: Sequence[Action[Any]], own: Mapping[str, Sequence[str]]) -> tuple[str, str, str] | None:
    """Finds the first of the user's keys that is also the key of another action that can act in the same pane.

    Returns the id of the action, the id of the other action and the key; None if there is no clash. If both keys are
    the user's, the later one clashes. Overlaps among the default keys are intended.
    """
    by_id = {action.id: action for action in actions}
    ids = list(own)
    for number, action_id in enumerate(ids):
        action = by_id[action_id]
        for other in actions:
            if other.id == action_id or other.id in ids[number + 1 :] or not _act_together(action, other):
                continue
            other_keys = own.get(other.id) or other.default_keys
            for key in own[action_id]:
                is_default = key in action.default_keys and key in other.default_keys
                if key in other_keys and not is_default:
                    return action_id, other.id, key
    return None


def _act_together(one: Action[Any], other: Action[Any]) -> bool:
    return one.noun == other.noun or "app" in (one.noun, other.noun)
