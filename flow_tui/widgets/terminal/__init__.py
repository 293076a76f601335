"""The widget of a task's shell: `TerminalView`, and the parts that it is composed of."""

from flow_tui.widgets.terminal.view import TerminalView

__all__ = ["TerminalView"]
