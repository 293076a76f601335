"""The instances pane: the instance types of every context, and their prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.panes.instances.actions import ACTIONS
from flow_tui.panes.pane import PaneEntry, Placement

if TYPE_CHECKING:
    from flow_tui.panes.instances.pane import InstancesPane


def _load() -> type[InstancesPane]:
    from flow_tui.panes.instances.pane import InstancesPane  # lazy import: the registry loads no pane

    return InstancesPane


ENTRY = PaneEntry(
    noun="instances",
    title="GPUs",
    placement=Placement.SIDE,
    actions=ACTIONS,
    load=_load,
    facets=frozenset({"instances"}),
)
