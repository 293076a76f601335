"""A bare app for one widget, with the variables that its styles need."""

from __future__ import annotations

from textual.app import App

from flow_tui.themes import variable_defaults


class ThemedApp(App[None]):
    """Subclass it and compose the widget."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()
