"""The volumes pane: the volumes of every context, and the tasks that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.panes.pane import PaneEntry, Placement
from flow_tui.panes.volumes.actions import ACTIONS

if TYPE_CHECKING:
    from flow_tui.panes.volumes.pane import VolumesPane


def _load() -> type[VolumesPane]:
    from flow_tui.panes.volumes.pane import VolumesPane  # lazy import: the registry loads no pane

    return VolumesPane


ENTRY = PaneEntry(
    noun="volumes",
    title="Volumes",
    placement=Placement.SIDE,
    actions=ACTIONS,
    load=_load,
    facets=frozenset({"volumes", "tasks"}),
)
