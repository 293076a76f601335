"""The tasks pane: the table of tasks, their details, and the actions on tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.panes.pane import PaneEntry, Placement
from flow_tui.panes.tasks.actions import ACTIONS

if TYPE_CHECKING:
    from flow_tui.panes.tasks.pane import TasksPane


def _load() -> type[TasksPane]:
    from flow_tui.panes.tasks.pane import TasksPane  # lazy import: the registry loads no pane

    return TasksPane


ENTRY = PaneEntry(
    noun="tasks",
    title="Tasks",
    placement=Placement.MAIN,
    actions=ACTIONS,
    load=_load,
    facets=frozenset({"tasks"}),
)
