"""The command palette: every action of the keymap, by name."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from inspect import unwrap
from typing import TYPE_CHECKING, cast

from textual import work
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.css.query import NoMatches

from flow_tui.keymap import ACTIONS, Action

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen


class ActionPalette(CommandPalette):
    """Textual's palette, made safe for a page key before its list has rows and for closing while it gathers."""

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        with suppress(NoMatches):  # its list is gone once the palette has closed
            await unwrap(CommandPalette._gather_commands)(self, search_value)

    def _action_command_list(self, action: str) -> None:
        if any(commands._lines for commands in self.query(CommandList)):
            super()._action_command_list(action)


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
