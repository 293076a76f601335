"""The registry of panes. A new pane is a folder with an ENTRY, and its module's name here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from flow_tui.panes.pane import PaneEntry

_MODULES = (  # in the order of their digits
    "flow_tui.panes.tasks",
    "flow_tui.panes.instances",
    "flow_tui.panes.volumes",
    "flow_tui.panes.logs",
    "flow_tui.panes.shell",
)


def _load_entry(module: str) -> PaneEntry:
    entry = import_module(module).ENTRY
    assert isinstance(entry, PaneEntry)
    return entry


PANES: tuple[PaneEntry, ...] = tuple(map(_load_entry, _MODULES))
"""Every pane. The first one is the home pane, which is on the first frame."""

PANE_NAMES: Mapping[str, str] = {pane.noun: pane.name for pane in PANES}
"""The names of the panes in sentences, by noun. They agree with the titles."""
