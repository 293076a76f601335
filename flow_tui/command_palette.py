"""The command palette: every action of the keymap, by name."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from inspect import unwrap
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.css.query import NoMatches

from flow_tui.actions import Action
from flow_tui.panes.registry import PANE_NAMES

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.services import Services


class ActionPalette(CommandPalette):
    """Textual's palette with two fixes: for a page key before its list has rows, and for closing while it gathers."""

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        with suppress(NoMatches):  # the list no longer exists once the palette has closed
            await unwrap(CommandPalette._gather_commands)(self, search_value)

    def _action_command_list(self, action: str) -> None:
        if any(commands._lines for commands in self.query(CommandList)):
            super()._action_command_list(action)


class ActionCommands(Provider):
    """The commands of the palette: the actions of the dashboard, without those that read-only mode hides."""

    async def discover(self) -> Hits:
        for action in self._actions():
            yield DiscoveryHit(self._format_name(action), partial(self._run, action), help=action.tooltip)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in self._actions():
            name = self._format_name(action)
            score = matcher.match(f"{name} {action.tooltip}")
            if score > 0 or query.strip().casefold() in action.id:
                yield Hit(score, matcher.highlight(name), partial(self._run, action), text=name, help=action.tooltip)

    @property
    def _services(self) -> Services:
        return cast("DashboardScreen", self.screen).services

    def _actions(self) -> list[Action[Any]]:
        services = self._services
        return [action for action in services.keys.actions if not (services.is_read_only and action.changes)]

    def _format_name(self, action: Action[Any]) -> str:
        pane = "" if action.noun == "app" else f"{PANE_NAMES[action.noun]}: "
        return f"{pane}{action.label}   {self._services.keys.short(action.id)}"

    def _run(self, action: Action[Any]) -> None:
        self._services.workspace.act(action.id)
