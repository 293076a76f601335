"""The screen as a user reads it: text rows, without colours."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App


def screen_rows(app: App[Any]) -> list[str]:
    """One string per row of the terminal, without the blanks at its end."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips(app.size)]


def screen_text(app: App[Any]) -> str:
    """The rows of the terminal, joined by newlines."""
    return "\n".join(screen_rows(app))


def front_text(app: App[Any]) -> str:
    """What is on screen; of a dialog, only what is in its frame, since its lines break where they may."""
    frame = next(iter(app.screen.query(".dialog-frame")), app.screen).region
    strips = app.screen._compositor.render_strips(app.size)[frame.y : frame.bottom]
    return "\n".join(strip.crop(frame.x, frame.right).text.rstrip() for strip in strips)


def unwrapped(text: str) -> str:
    """Without blanks and frames, so that it doesn't matter where a line was broken."""
    return re.sub(r"[\s│┃]", "", text)
