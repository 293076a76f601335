"""The shell pane: terminals in tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.panes.pane import PaneEntry, Placement

if TYPE_CHECKING:
    from flow_tui.panes.shell.pane import ShellPane


def _load() -> type[ShellPane]:
    from flow_tui.panes.shell.pane import ShellPane  # lazy import: the registry loads no pane

    return ShellPane


ENTRY = PaneEntry(
    noun="shell",
    title="Shell",
    placement=Placement.WHOLE,
    actions=(),
    load=_load,
)
