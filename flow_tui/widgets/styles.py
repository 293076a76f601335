"""Resolves words such as "bold error" to Rich styles in the active theme."""

from __future__ import annotations

from collections.abc import Mapping

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.widget import Widget

_ATTRIBUTES = frozenset({"bold", "dim", "italic", "underline", "reverse", "strike"})


def get_component_style(widget: Widget, name: str) -> Style:
    """Returns the style of a component class; the null style before the stylesheet is applied and after removal."""
    return widget.get_component_rich_style(name, partial=True, default=Style.null())


def resolve(words: str, variables: Mapping[str, str], background: Color) -> Style:
    """Resolves words such as "bold error" to a style. Ignores words that the theme doesn't define."""
    attributes = {}
    colour: RichColor | None = None
    for word in words.split():
        if word in _ATTRIBUTES:
            attributes[word] = True
        else:
            colour = _parse_colour(variables.get(word.removeprefix("$")), background) or colour
    return Style(color=colour, **attributes)  # type: ignore[arg-type]


def _parse_colour(value: str | None, background: Color) -> RichColor | None:
    if value is None:
        return None
    automatic, _, alpha = value.partition(" ")
    if automatic == "auto":
        return background.blend(background.get_contrast_text(1.0), _parse_percent(alpha), 1.0).rich_color
    try:
        colour = Color.parse(value)
    except ColorParseError:
        return None
    if colour.ansi is not None:
        return colour.rich_color
    return background.blend(colour, colour.a, 1.0).rich_color


def _parse_percent(percent: str) -> float:
    try:
        return float(percent.rstrip("%")) / 100
    except ValueError:
        return 1.0
