"""The help: lists the keys of the pane in front and carries out the chosen action."""

from __future__ import annotations

from typing import Any

from flow_tui.actions import Action
from flow_tui.dialogs.help import HelpEntry, HelpScreen
from flow_tui.key_names import format_short_key
from flow_tui.panes.registry import PANE_NAMES
from flow_tui.services import Services


async def show_keys(services: Services) -> None:
    """Lists the actions of the pane in front and of the whole dashboard, and carries out the chosen action."""
    noun = services.workspace.front
    actions = (*services.keys.of(noun), *services.keys.of("app"))
    entries = [_make_entry(services, action) for action in actions if not (action.changes and services.is_read_only)]
    chosen = await services.ask(HelpScreen(f"Keys: {PANE_NAMES[noun]}", entries, services.keys))
    if chosen is not None:
        services.workspace.act(chosen)


def _make_entry(services: Services, action: Action[Any]) -> HelpEntry:
    keys = " ".join(map(format_short_key, services.keys.keys_of(action.id)))
    reason = services.workspace.disabled_reason(action.id)
    return HelpEntry(keys, action.label, action.tooltip, action.id, reason)
