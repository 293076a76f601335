"""Draws sparklines and bars as text, with block elements."""

from __future__ import annotations

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_FULL, _EMPTY = "▓", "░"


def draw_sparkline(values: Sequence[float | None], maximum: float, width: int) -> str:
    """Draws the last `width` values, right-aligned, scaled to `maximum`. An unknown value leaves a gap."""
    shown = values[-width:] if width > 0 else ()
    return "".join(_level(value, maximum) for value in shown).rjust(max(0, width))


def draw_bar(share: float | None, width: int) -> str:
    """Draws a share between 0 and 1, filled from the left; blank for an unknown share."""
    if share is None:
        return " " * width
    filled = round(min(1.0, max(0.0, share)) * width)
    return _FULL * filled + _EMPTY * (width - filled)


def _level(value: float | None, maximum: float) -> str:
    if value is None or maximum <= 0:
        return " "
    return _LEVELS[min(len(_LEVELS) - 1, max(0, int(value / maximum * len(_LEVELS))))]
