"""The services of a dashboard without contexts, for a pane that a test shows by itself."""

from __future__ import annotations

from flow_core.audit import Gate
from flow_core.fleet import Fleet
from flow_tui.action_table import ACTIONS
from flow_tui.keymap import Keymap
from flow_tui.prompts import PromptQueue
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.services import Services
from flow_tui.terminal.prefix import RELEASE_KEY

KEYS = Keymap(ACTIONS)


def bare_services() -> Services:
    """Of a dashboard that is not on the screen."""
    prompts = PromptQueue()
    return DashboardScreen(Fleet((), Gate(), prompts), prompts, KEYS, release_key=RELEASE_KEY).services
