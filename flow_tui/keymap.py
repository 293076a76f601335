"""The keymap: every action with the user's keys, else the default ones. Footer, help and palette read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from flow_tui.actions import Action
from flow_tui.key_names import short_key, written_key

_NO_KEYS: Mapping[str, Sequence[str]] = MappingProxyType({})


class Keymap:
    """All actions, in the order in which they are listed. `own` holds the user's keys by action id."""

    def __init__(self, actions: Sequence[Action[Any]], own: Mapping[str, Sequence[str]] = _NO_KEYS) -> None:
        self.actions = tuple(actions)
        self._by_id = {action.id: action for action in self.actions}
        self._own = {action_id: tuple(keys) for action_id, keys in own.items()}

    def __getitem__(self, action_id: str) -> Action[Any]:
        return self._by_id[action_id]

    def __contains__(self, action_id: str) -> bool:
        return action_id in self._by_id

    def of(self, noun: str) -> tuple[Action[Any], ...]:
        """The actions of a pane, or those of the whole dashboard ("app")."""
        return tuple(action for action in self.actions if action.noun == noun)

    def keys_of(self, action_id: str) -> tuple[str, ...]:
        """As Textual names them."""
        return self._own.get(action_id) or self._by_id[action_id].default_keys

    def short(self, action_id: str) -> str:
        """The first key, as the footer and the palette show it: "^n", "?"."""
        return short_key(self.keys_of(action_id)[0])

    def written(self, action_id: str) -> str:
        """The first key, as a sentence shows it: "ctrl+n", "?"."""
        return written_key(self.keys_of(action_id)[0])


def find_clash(actions: Sequence[Action[Any]], own: Mapping[str, Sequence[str]]) -> tuple[str, str, str] | None:
    """The first of the user's keys, by action id, that is also the key of another action where both act.

    Returns the action's id, that of the other action and the key; None where each key has one meaning. Of two of the
    user's own keys, the later one is the one that clashes. Overlaps among the default keys are on purpose.
    """
    by_id = {action.id: action for action in actions}
    ids = list(own)
    for number, action_id in enumerate(ids):
        action = by_id[action_id]
        for other in actions:
            if other.id == action_id or other.id in ids[number + 1 :] or not _act_together(action, other):
                continue
            taken = own.get(other.id) or other.default_keys
            for key in own[action_id]:
                is_default = key in action.default_keys and key in other.default_keys
                if key in taken and not is_default:
                    return action_id, other.id, key
    return None


def _act_together(one: Action[Any], other: Action[Any]) -> bool:
    return one.noun == other.noun or "app" in (one.noun, other.noun)
