"""Converts cells and text styles to Rich segments and styles, over the colours of the widget that shows them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from flow_core.logs.text_style import Colour, TextStyle
    from flow_tui.terminal.core import Run


def to_segments(row: tuple[Run, ...], base: Style) -> list[Segment]:
    """Returns one segment for each run. `base` gives the default colours."""
    return [Segment(run.text, overlay_style(base, run.style)) for run in row]


@lru_cache(maxsize=8192)
def overlay_style(base: Style, style: TextStyle) -> Style:
    """Returns the style laid over `base`."""
    return base + Style(
        color=_convert_color(style.foreground),
        bgcolor=_convert_color(style.background),
        bold=style.bold or None,
        dim=style.dim or None,
        italic=style.italic or None,
        underline=style.underline or None,
        blink=style.blink or None,
        reverse=style.reverse or None,
        strike=style.strike or None,
    )


def _convert_color(colour: Colour | None) -> Color | None:
    if colour is None:
        return None
    # The first sixteen colours stay names; Textual gives them the values of its ANSI theme.
    return Color.from_ansi(colour) if isinstance(colour, int) else Color.from_rgb(*colour)
