"""The widget of a log: `LogView`, and the parts that it is composed of."""

from flow_tui.widgets.log.view import LogView

__all__ = ["LogView"]
