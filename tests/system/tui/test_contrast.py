"""Every text and mark on every screen can be read, on terminals with many colours, with 256, and with 16."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from testbed.showcase import showcase
from textual.app import App
from textual.color import Color
from textual.screen import ModalScreen

from flow_tui.colour_depth import ColourDepth
from flow_tui.colour_reduction import Monochrome16, Palette256
from flow_tui.themes import load_themes

TEXT, MARK = 4.5, 3.0
GREYED = 0.38  # the share of Textual's $text-disabled


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


@pytest.mark.parametrize("theme", [theme.name for theme in load_themes()[0]])
async def test_every_screen_can_be_read_with_many_colours_with_256_and_with_16(tmp_path: Path, theme: str) -> None:
    wrong: dict[str, set[str]] = {}
    async with showcase((120, 36), tmp_path, theme=theme) as shown:
        background = Color.parse(shown.app.theme_variables["background"])
        palette, plain = Palette256(), Monochrome16(lambda: background)
        async for name in shown.walk():
            found = [segment for segment in segments(shown.app) if not is_exempt(segment)]
            wrong[name] = unreadable(found)
            wrong[f"{name}, 256 colours"] = unreadable(palette.apply(found, background))
            assert all(is_plain(style) for _, style, _ in plain.apply(found, background))
    lines = [f"{name}: {one}" for name, bad in wrong.items() for one in sorted(bad)]
    assert not lines, "\n".join(lines)


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


async def test_the_app_shows_only_colours_that_the_terminal_has(tmp_path: Path) -> None:
    async with showcase((80, 24), tmp_path, colours=ColourDepth.PALETTE_256) as shown:
        colours = [colour for _, style, _ in segments(shown.app) if style for colour in (style.color, style.bgcolor)]
        assert {colour.number is not None and colour.number >= 16 for colour in colours if colour} == {True}
    async with showcase((80, 24), tmp_path, colours=ColourDepth.PALETTE_16) as shown:
        await shown.pilot.press("ctrl+n")
        await shown.shows("new task", "New task")
        assert all(is_plain(style) for _, style, _ in segments(shown.app))
        cursor = [text for text, style, _ in segments(shown.app) if style and style.reverse]
        assert any("Submit" in text for text in cursor)
