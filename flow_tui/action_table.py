"""Every action: first those of the whole dashboard, then those of each pane."""

from __future__ import annotations

from typing import Any

from flow_tui.actions import Action
from flow_tui.panes.registry import PANES
from flow_tui.screens.app_actions import APP_ACTIONS

ACTIONS: tuple[Action[Any], ...] = (*APP_ACTIONS, *(action for pane in PANES for action in pane.actions))
