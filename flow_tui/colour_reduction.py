"""Reduces colours for terminals with few colours: to xterm's 256, or to the terminal's own.

Textual leaves this to Rich, which maps each colour separately: a dark grey becomes navy blue, and a text may get the
colour of its background.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from flow_tui.colour_depth import ColourDepth

_READABLE = 4.5
_FIRST_FIXED = 16  # users choose the sixteen colours before this one
_LEVELS = (0, 95, 135, 175, 215, 255)
_EMPHASIS = 60.0  # RGB distance from the theme's background at which a background stands out


class Rgb(NamedTuple):
    """A colour with parts from 0 to 255."""

    red: int
    green: int
    blue: int


def make_line_filters(depth: ColourDepth, background: Callable[[], Color]) -> tuple[LineFilter, ...]:
    """Returns the filters to apply after Textual's own. `background` returns the background of the theme."""
    if depth is ColourDepth.PALETTE_256:
        return (Palette256(),)
    return (Monochrome16(background),) if depth is ColourDepth.PALETTE_16 else ()


def contrast_ratio(one: Rgb, other: Rgb) -> float:
    """Returns the contrast ratio of two colours by WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


class Palette256(LineFilter):
    """A filter that maps each colour to the nearest of xterm's palette that keeps the contrast text needs."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        behind = Rgb(*background.rgb)
        return [
            Segment(text, style and style + _reduce_to_palette(style, behind), control)
            for text, style, control in segments
        ]


class Monochrome16(LineFilter):
    """A filter that keeps the terminal's own colours, bold and reverse. Backgrounds that stand out become reverse."""

    def __init__(self, background: Callable[[], Color]) -> None:
        super().__init__()
        self._background = background

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        behind = Rgb(*self._background().rgb)
        return [Segment(text, style and _remove_colours(style, behind), control) for text, style, control in segments]


@lru_cache(maxsize=4096)
def _reduce_to_palette(style: Style, behind: Rgb) -> Style:
    front, back = _to_rgb(style.color), _to_rgb(style.bgcolor)
    number_behind = find_nearest(back or behind)
    colour = None
    if front is not None:
        min_contrast = min(contrast_ratio(front, back or behind), _READABLE)
        colour = RichColor.from_ansi(find_nearest_readable(front, number_behind, min_contrast))
    return style + Style(color=colour, bgcolor=None if back is None else RichColor.from_ansi(number_behind))


@lru_cache(maxsize=4096)
def _remove_colours(style: Style, behind: Rgb) -> Style:
    stands_out = False
    if (back := _to_rgb(style.bgcolor)) is not None:
        stands_out = _distance(back, behind) >= _EMPHASIS
    is_reversed = bool(style.reverse) or stands_out
    return Style(bold=bool(style.bold), reverse=is_reversed, link=style.link, meta=style.meta or None)


@lru_cache(maxsize=4096)
def find_nearest(colour: Rgb) -> int:
    """Returns the number of the most similar colour of the palette."""
    lab = _to_lab(colour)
    return min(xterm_palette(), key=lambda number: _lab_distance(lab, number))


@lru_cache(maxsize=4096)
def find_nearest_readable(colour: Rgb, behind: int, min_contrast: float) -> int:
    """Returns the nearest number with `min_contrast` to the colour `behind`, or the one with the most contrast."""
    lab, back = _to_lab(colour), xterm_palette()[behind]
    fitting = [number for number, rgb in xterm_palette().items() if contrast_ratio(rgb, back) >= min_contrast]
    if not fitting:
        return max(xterm_palette(), key=lambda number: contrast_ratio(xterm_palette()[number], back))
    return min(fitting, key=lambda number: _lab_distance(lab, number))


@cache
def xterm_palette() -> dict[int, Rgb]:
    """Returns the colours of xterm's numbers from 16 on: a cube of 6 levels, and a ramp of greys."""
    cube = [Rgb(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS]
    greys = [Rgb(level, level, level) for level in range(8, 248, 10)]
    return dict(enumerate(cube + greys, start=_FIRST_FIXED))


@lru_cache(maxsize=4096)
def _to_lab(colour: Rgb) -> tuple[float, float, float]:
    """Converts a colour to CIE 1976 L*a*b* under D65, in which equal distances look equally large."""
    red, green, blue = map(_to_linear, colour)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _lab_distance(lab: tuple[float, float, float], number: int) -> float:
    return sum((one - other) ** 2 for one, other in zip(lab, _to_lab(xterm_palette()[number]), strict=True))


def _luminance(colour: Rgb) -> float:
    red, green, blue = map(_to_linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def _to_linear(part: int) -> float:
    share = part / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _distance(one: Rgb, other: Rgb) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def _to_rgb(colour: RichColor | None) -> Rgb | None:
    return None if colour is None or colour.is_default else Rgb(*colour.get_truecolor())
