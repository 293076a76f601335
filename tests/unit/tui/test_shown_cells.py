"""Only the cells that differ are sent, and the terminal shows the same as after a full repaint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from flow_tui.pen import PLAIN_PEN, Pen, make_pen, switch_pen
from flow_tui.shown_cells import ShownCells

WIDTH, HEIGHT = 16, 3
SIZE = Size(WIDTH, HEIGHT)
STYLES = (
    None,
    Style(color="red"),
    Style(color="#102030", bgcolor="#405060"),
    Style(bgcolor="#405060", bold=True),
    Style(color="#102030", bold=True, underline=True),
    Style(reverse=True),
)
TEXTS = ("a", "bb", "   ", "───", "● ", "✔", "日本", "e\u0301", "🚀", "abc日")
Frame = Sequence[Sequence[Strip]]


def full_repaint(frame: Frame) -> pyte.Screen:
    screen = new_screen()
    stream = pyte.Stream(screen)
    for y, pieces in enumerate(frame):
        x = 0
        for piece in pieces:
            stream.feed(f"\x1b[{y + 1};{x + 1}H")
            for text, style, _ in piece:
                stream.feed(style.render(text, color_system=ColorSystem.TRUECOLOR) if style else text)
            x += piece.cell_length
    return screen


def new_screen() -> pyte.Screen:
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.reset_mode(7, private=True)  # type: ignore[arg-type]
    return screen


def cells(screen: pyte.Screen) -> list[list[pyte.screens.Char]]:
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


def layout(frame: Frame) -> LayoutUpdate:
    return LayoutUpdate([list(pieces) for pieces in frame], Region(0, 0, WIDTH, HEIGHT))


def partial(frame: Frame, rows: Sequence[int]) -> ChopsUpdate:
    chops: list[dict[int, Strip | None]] = []
    ends: list[list[int]] = []
    for pieces in frame:
        starts = [sum(piece.cell_length for piece in pieces[:at]) for at in range(len(pieces) + 1)]
        chops.append(dict(zip(starts, pieces, strict=False)))
        ends.append(starts[1:])
    return ChopsUpdate(chops, [(y, 0, WIDTH) for y in rows], ends)  # type: ignore[arg-type]


class Drawn(NamedTuple):
    """What a generated frame consists of: texts and styles that are repeated, and the rows that are drawn."""

    texts: list[tuple[str, int]]
    cut: int
    rows: list[int]

    def build(self) -> Frame:
        parts = cycle(self.texts)
        return [[make_strip(parts, self.cut), make_strip(parts, WIDTH - self.cut)] for _ in range(HEIGHT)]


def make_strip(parts: Iterator[tuple[str, int]], width: int) -> Strip:
    segments: list[Segment] = []
    room = width
    while room:
        text, style = next(parts)
        text = text if cell_len(text) <= room else " " * room
        segments.append(Segment(text, STYLES[style]))
        room -= cell_len(text)
    return Strip(segments, width)


DRAWN = st.builds(
    Drawn,
    st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, len(STYLES) - 1)), min_size=1, max_size=9),
    st.sampled_from((4, 8, 11)),
    st.lists(st.integers(0, HEIGHT - 1), unique=True),
)


@given(st.lists(DRAWN, min_size=2, max_size=5))
def test_after_any_frames_the_terminal_shows_what_a_full_repaint_shows(shown: list[Drawn]) -> None:
    known, screen = ShownCells(), new_screen()
    stream = pyte.Stream(screen)
    current: Frame = []
    for drawn in shown:
        frame = drawn.build()
        if drawn.rows and current:
            current = [frame[y] if y in drawn.rows else current[y] for y in range(HEIGHT)]
            stream.feed(known.draw(partial(current, sorted(drawn.rows)), SIZE, ColorSystem.TRUECOLOR))
        else:
            current = frame
            stream.feed(known.draw(layout(frame), SIZE, ColorSystem.TRUECOLOR))
        assert cells(screen) == cells(full_repaint(current))
        assert known.draw(layout(current), SIZE, ColorSystem.TRUECOLOR) == ""


def line(text: str, style: Style | None = None) -> Frame:
    return [[Strip([Segment(f"{text:{WIDTH}}", style)], WIDTH)] for _ in range(HEIGHT)]


def test_one_changed_cell_costs_a_move_and_a_byte() -> None:
    known = ShownCells()
    known.draw(layout(line("12 seconds")), SIZE, ColorSystem.TRUECOLOR)
    changed = [*line("12 seconds")[:2], *line("13 seconds")[:1]]
    assert known.draw(layout(changed), SIZE, ColorSystem.TRUECOLOR) == "\x1b[3;2H3"


def test_changes_that_are_far_apart_are_sent_apart() -> None:
    known = ShownCells()
    known.draw(layout(line("1 in between 1")), SIZE, ColorSystem.TRUECOLOR)
    changed = [*line("1 in between 1")[:2], *line("2 in between 2")[:1]]
    assert known.draw(layout(changed), SIZE, ColorSystem.TRUECOLOR) == "\x1b[3;1H2\x1b[3;14H2"


def test_a_line_with_characters_of_an_unclear_width_is_sent_whole() -> None:
    known = ShownCells()
    known.draw(layout(line("🚀 12 seconds")), Size(WIDTH, 1), ColorSystem.TRUECOLOR)
    sent = known.draw(layout(line("🚀 13 seconds")), Size(WIDTH, 1), ColorSystem.TRUECOLOR)
    assert "🚀 13 seconds" in sent


def test_everything_is_sent_again_once_the_terminal_may_show_something_else() -> None:
    known = ShownCells()
    first = known.draw(layout(line("text")), SIZE, ColorSystem.TRUECOLOR)
    known.forget()
    assert known.draw(layout(line("text")), SIZE, ColorSystem.TRUECOLOR) == first
    assert known.draw(layout(line("text")), Size(WIDTH, HEIGHT + 1), ColorSystem.TRUECOLOR) == first


def test_a_change_of_style_sends_only_what_differs() -> None:
    red, both = Pen(front="31"), Pen(attributes="1", front="31", back="44")
    assert switch_pen(PLAIN_PEN, red) == "\x1b[31m"
    assert switch_pen(red, both) == "\x1b[1;44m"
    assert switch_pen(red, Pen(back="44")) == "\x1b[39;44m"
    assert switch_pen(both, red) == "\x1b[0;31m"
    assert switch_pen(both, PLAIN_PEN) == switch_pen(red, PLAIN_PEN) == "\x1b[0m"
    assert switch_pen(both, both) == ""


def test_a_link_ends_where_its_text_ends() -> None:
    linked = make_pen(Style(link="https://example.org"), ColorSystem.TRUECOLOR)
    assert switch_pen(PLAIN_PEN, linked).endswith(";https://example.org\x1b\\")
    assert switch_pen(linked, PLAIN_PEN) == "\x1b]8;;\x1b\\"
