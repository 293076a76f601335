"""Runs to Rich segments, over the colours of whoever shows them."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style

from flow_tui.terminal.core import CellStyle, Color, Run


def paint(row: tuple[Run, ...], base: Style) -> list[Segment]:
    """One segment a run. `base` gives the default colours."""
    return [Segment(run.text, _over(base, run.style)) for run in row]


@lru_cache(maxsize=8192)
def _over(base: Style, style: CellStyle) -> Style:
    return base + Style(
        color=_color(style.fg),
        bgcolor=_color(style.bg),
        bold=style.bold or None,
        dim=style.dim or None,
        italic=style.italic or None,
        underline=style.underline or None,
        blink=style.blink or None,
        reverse=style.reverse or None,
        strike=style.strike or None,
    )


def _color(color: Color) -> RichColor | None:
    if color is None:
        return None
    # The first sixteen stay names here; Textual gives them the values of its ANSI theme.
    return RichColor.from_ansi(color) if isinstance(color, int) else RichColor.from_rgb(*color)
