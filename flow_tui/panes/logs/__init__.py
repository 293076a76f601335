"""The logs pane: the log of the selected task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.panes.logs.actions import ACTIONS
from flow_tui.panes.pane import PaneEntry, Placement

if TYPE_CHECKING:
    from flow_tui.panes.logs.pane import LogsPane


def _load() -> type[LogsPane]:
    from flow_tui.panes.logs.pane import LogsPane  # lazy import: the registry loads no pane

    return LogsPane


ENTRY = PaneEntry(
    noun="logs",
    title="Logs",
    placement=Placement.LOG,
    actions=ACTIONS,
    load=_load,
    loads_last=True,  # its import takes about a quarter of start-up
)
