"""The shell of a task on screen: `TerminalView`, and the parts that it is composed of."""

from flow_tui.widgets.terminal.view import TerminalView

__all__ = ["TerminalView"]
