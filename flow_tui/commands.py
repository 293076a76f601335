"""The command palette: every action of the keymap, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from flow_tui.keymap import ACTIONS, Action

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen


class ActionCommands(Provider):
    """Actions of the dashboard; those hidden by read-only are not listed."""

    async def discover(self) -> Hits:
        for action in self._actions():
            yield DiscoveryHit(_name(action), partial(self._run, action), help=action.tooltip)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            name = _name(action)
            score = matcher.match(f"{name} {action.tooltip}")
            if score > 0:
                yield Hit(score, matcher.highlight(name), partial(self._run, action), text=name, help=action.tooltip)

    def _actions(self) -> list[Action]:
        read_only = cast("DashboardScreen", self.screen).is_read_only
        return [action for action in ACTIONS if not (read_only and action.changes)]

    def _run(self, action: Action) -> None:
        cast("DashboardScreen", self.screen).action_act(action.id)


def _name(action: Action) -> str:
    place = "" if action.place == "app" else f"{action.place}: "
    return f"{place}{action.label}  ({action.shown_key})"
