"""Terminal cores for tests."""

from __future__ import annotations

from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.core_loader import load_core


def open_core(columns: int, rows: int) -> TerminalCore:
    """A new terminal of the core that the dashboard would use."""
    return load_core()(columns, rows)
