"""The fast terminal of the benchmarks shows what pyte shows, however the output is cut into pieces."""

from __future__ import annotations

import pyte
from bench.cell_grid import CellGrid
from hypothesis import given
from hypothesis import strategies as st

COLUMNS, ROWS = 12, 5
PLACES = st.tuples(st.integers(0, ROWS), st.integers(0, COLUMNS)).map(lambda at: "\x1b[{};{}H".format(*at))
MOVES = st.tuples(st.integers(0, 4), st.sampled_from("ABCDG")).map(lambda move: "\x1b[{}{}".format(*move))
ERASES = st.sampled_from(["\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[2J"])
STYLES = st.sampled_from(["\x1b[m", "\x1b[1;38;2;1;2;3m", "\x1b[?2026h", "\x1b[?25l"])
CONTROLS = st.sampled_from(["\r", "\n", "\r\n", "\b"])
TEXTS = st.text("abcäö█● ", min_size=1, max_size=5)
PIECES = st.one_of(PLACES, MOVES, ERASES, STYLES, CONTROLS, TEXTS)


def place_texts(output: list[str]) -> list[str]:
    """Writes each text at the beginning of a row: terminals differ in what happens at the last column."""
    return [f"\x1b[2;1H{piece}" if set(piece) <= set("abcäö█● ") else piece for piece in output]


@given(st.lists(PIECES, max_size=30), st.integers(1, 7))
def test_the_grid_shows_what_a_terminal_shows(output: list[str], size: int) -> None:
    data = "".join(place_texts(output)).encode()
    grid, terminal = CellGrid(COLUMNS, ROWS), pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(terminal).feed(data.replace(b"\x1b[?2026h", b""))
    for start in range(0, len(data), size):
        grid.feed(data[start : start + size])
    assert [grid.row(number) for number in range(ROWS)] == terminal.display


def test_only_rows_that_were_written_to_are_touched() -> None:
    grid = CellGrid(COLUMNS, ROWS)
    grid.feed(b"\x1b[2;1Habc\x1b[4;3Hd")
    assert (grid.touched, grid.shows("abc"), grid.shows("abcd")) == ({1, 3}, True, False)
