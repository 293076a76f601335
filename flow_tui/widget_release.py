"""Frees removed widgets that Textual would keep.

Textual 8.2.8 keeps the painted lines of up to 1024 removed widgets, because it caches colours by the object that holds
these lines (`StylesCache.get_inner_outer`). A removed TextArea stays among the watchers of the app's theme until the
theme changes.
"""

from __future__ import annotations

from typing import Any

from textual._styles_cache import StylesCache
from textual.app import App

RELEASE_S = 30.0
"""How often to free them: what one minute of dialogs leaves behind is small."""


def release_removed_widgets(app: App[Any]) -> None:
    """Frees the removed widgets of the app. Calling it again is safe."""
    StylesCache.get_inner_outer.cache_clear()
    watchers: dict[str, list[Any]] = getattr(app, "__watchers", {})
    for entries in watchers.values():
        entries[:] = [entry for entry in entries if not entry[0]._closing]
