"""Whether the text and the marks on a screen can be read, on terminals with many colours, with 256, and with 16."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.screen import ModalScreen

from flow_tui.colour_reduction import Monochrome16, Palette256

TEXT, MARK = 4.5, 3.0
GREYED = 0.38  # the share of Textual's $text-disabled


def unreadable_texts(app: App[None]) -> list[str]:
    """Whatever can't be read on the screen on top, with the depth of colours, the pair and its ratio."""
    background = Color.parse(app.theme_variables["background"])
    found = [segment for segment in {*segments(app)} if not is_exempt(segment)]
    reduced = Palette256().apply(found, background)
    return sorted(
        {*unreadable(found), *(f"of 256 colours: {one}" for one in unreadable(reduced))}
        | {
            f"of 16 colours: {text!r} {style}"
            for text, style, _ in Monochrome16(lambda: background).apply(found, background)
            if not is_plain(style)
        }
    )


@cache
def contrast(one: Color, other: Color) -> float:
    """WCAG 2 contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Color) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b)


def segments(app: App[None]) -> Iterator[Segment]:
    """Of the screen on top; what lies dimmed below a dialog is greyed on purpose."""
    strips = app.screen._compositor.render_strips(app.size)
    if not isinstance(app.screen, ModalScreen):
        yield from (segment for strip in strips for segment in strip)
        return
    for child in app.screen.children:
        region = child.region.intersection(app.screen.region)
        if child.display and child.styles.layer != "_toastrack":
            for y in range(region.y, region.bottom):
                yield from strips[y].crop(region.x, region.right)


def unreadable(found: Iterable[Segment]) -> set[str]:
    """The text, the pair and the ratio of whatever is below what it needs."""
    bad = set()
    for text, style, _ in found:
        if not text.strip() or style is None or style.color is None or style.bgcolor is None:
            continue
        front, behind = (Color(*colour.get_truecolor()) for colour in (style.color, style.bgcolor))
        ratio = contrast(front, behind)
        if ratio < (MARK if is_mark(text) else TEXT) and not is_greyed(front, behind):
            bad.add(f"{text.strip()[:40]!r} {front.hex} on {behind.hex}: {ratio:.2f}")
    return bad


def is_mark(text: str) -> bool:
    """Frames, bars and bullets."""
    return all("\u2500" <= character <= "\u25ff" for character in text.strip())


def is_greyed(front: Color, behind: Color) -> bool:
    grey = behind.blend(behind.get_contrast_text(1.0), GREYED, 1.0)
    return all(abs(a - b) <= 2 for a, b in zip(front.rgb, grey.rgb, strict=True))


def is_exempt(segment: Segment) -> bool:
    """What is greyed in true colour stays so in any palette."""
    style = segment.style
    if style is None or style.color is None or style.bgcolor is None:
        return False
    return is_greyed(Color(*style.color.get_truecolor()), Color(*style.bgcolor.get_truecolor()))


def is_plain(style: Style | None) -> bool:
    """The terminal's own colours, and no attribute but bold and reverse."""
    if style is None:
        return True
    has_colour = any(colour is not None and not colour.is_default for colour in (style.color, style.bgcolor))
    return not (has_colour or style.dim or style.italic or style.underline or style.strike or style.blink)
