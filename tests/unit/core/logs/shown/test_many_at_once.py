"""Lines and redraws that are interpreted many at once come out as if they came byte by byte."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.logs.shown.line import Runs
from flow_core.logs.shown.redraw_screen import RedrawScreen
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.text_style import TextStyle

TEXTS = st.sampled_from(["", "a", "loss 0.5", "  ", "█▏", "é", "漢字", "e\u0301", "\ufffd"]).map(str.encode)
SGR = st.sampled_from([b"\x1b[m", b"\x1b[0m", b"\x1b[31m", b"\x1b[1;32m", b"\x1b[38:2::9:8:7m", b"\x1b[22m"])
RARE = st.sampled_from([b"\t", b"\t\t", b"\x80", b"\xc3", b"\x1b[K", b"\b", b"\r", b"\x1b[2b"])
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\r\r\n", b"\x1b[A", b""])
BARS = st.builds(
    lambda down, cr, text, up: b"\n" * down + cr + text + b"\x1b[A" * up,
    st.integers(0, 3),
    st.sampled_from([b"\r", b"\r", b""]),
    TEXTS,
    st.integers(0, 3),
)
NESTED = st.builds(lambda down, text: b"\n" * down + b"\r" + text + b"\x1b[A" * down, st.integers(0, 3), TEXTS)
LINES = st.builds(
    lambda parts, end: b"".join(parts) + end,
    st.lists(st.one_of(TEXTS, TEXTS, SGR, SGR, RARE), max_size=5),
    ENDS,
)
OUTPUTS = st.lists(st.one_of(LINES, LINES, NESTED, NESTED, BARS), max_size=12).map(b"".join)

State = tuple[list[tuple[int, Runs]], int, int, TextStyle]


def feed_all(screen: LiveScreen, data: bytes, step: int) -> State:
    """Returns every row with its offset, then the cursor and the style."""
    for start in range(0, len(data), step):
        screen.feed(data[start : start + step])
    rows = [screen.stack.get_row(number).to_runs() for number in range(len(screen.stack.rows))]
    return list(zip(screen.stack.offsets, rows, strict=True)), screen.row, screen.column, screen.style


@example(b"a\tb\n\x1b[31mred\n\tb\r\n")
@example(b"\x1b[31m\x1b[0ma\x1b[31mb\x1b[31mc\n\x80a\n")
@example(b"\r1\n\r2\x1b[A\n\r3\x1b[A\r4\n\r\x1b[A\n\n\r5\x1b[A\x1b[A")
@limit_examples(150)
@given(OUTPUTS)
def test_output_at_once_is_shown_as_output_byte_by_byte(data: bytes) -> None:
    assert feed_all(LiveScreen(0), data, len(data) + 1) == feed_all(LiveScreen(0), data, 1)


@limit_examples(60)
@given(OUTPUTS)
def test_all_redraws_at_once_are_shown_as_those_byte_by_byte(data: bytes) -> None:
    assert feed_all(RedrawScreen(0), data, len(data) + 1) == feed_all(RedrawScreen(0), data, 1)


def test_a_line_counts_as_written_where_its_text_begins_or_continues_after_a_tab() -> None:
    screen = LiveScreen(0)
    screen.feed(b"\x1b[31mred\n\x1b[m\n\tone\ttwo\r\nplain\n")
    assert [screen.stack.get_row(number).written_at for number in range(4)] == [5, 9, 18, 23]
