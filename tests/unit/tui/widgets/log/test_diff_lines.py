"""The lines of a comparison on the screen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from testbed.tables import each

from flow_core.logs.analysis.diff_rows import CHANGED, FOLDED, LEFT, RIGHT, SAME, DiffRow
from flow_tui.widgets.log.diff_lines import (
    DiffLayout,
    DiffLines,
    DiffStyles,
    count_differences,
    find_changed_part,
    find_difference,
)

STYLES = DiffStyles.of(Style(), lambda name: Style(color="red"))
SIGNS = st.text(SAME + CHANGED + LEFT + RIGHT + FOLDED, max_size=40).map(lambda signs: bytearray(signs.encode()))


def draw(row: DiffRow, width: int = 23, scrolled: int = 0) -> str:
    return DiffLayout(width, scrolled, STYLES).draw_pair(row, None).text


def test_both_texts_are_beside_each_other_with_the_sign_between_them() -> None:
    assert draw(DiffRow(CHANGED, 0, 0, "loss nan", "loss 1")) == "loss nan   | loss 1    "
    assert draw(DiffRow(LEFT, 0, -1, "only here")) == "only here  <           "
    assert draw(DiffRow(SAME, 0, 0, "same", "same")) == "same         same      "
    assert draw(DiffRow(FOLDED, 0, 0, "same", "same", 1200), 40).rstrip() == "··· 1,200 equal lines ···"


def test_a_cut_text_has_a_mark_and_every_column_can_be_reached() -> None:
    row = DiffRow(SAME, 0, 0, "0123456789abc", "漢字漢字漢字漢")
    assert draw(row) == "012345678›   漢字漢字 ›"
    assert draw(row, scrolled=8) == "89abc        漢字漢    "


def test_one_below_the_other_each_text_has_the_sign_of_its_log() -> None:
    row = DiffRow(CHANGED, 0, 0, "a", "b")
    layout = DiffLayout(8, 0, STYLES)
    assert [layout.draw_single(row, side, has_cursor=False).text for side in (0, 1)] == ["< a     ", "> b     "]


@each(
    "text,other,part",
    [("lr 1e-4", "lr 3e-4", "1"), ("same", "same", ""), ("ab", "aab", ""), ("aab", "ab", "a"), ("", "x", "")],
)
def test_the_part_that_differs_is_between_the_equal_start_and_the_equal_end(text: str, other: str, part: str) -> None:
    start, end = find_changed_part(text, other)
    assert text[start:end] == part


@given(SIGNS, st.integers(0, 40))
def test_the_lines_lead_to_the_rows_and_back_also_when_rows_come_one_by_one(signs: bytearray, cut: int) -> None:
    lines = DiffLines(is_side_by_side=False)
    lines.extend(signs[:cut])
    lines.extend(signs)
    places = [lines.find_row(line) for line in range(len(lines))]
    wanted = {CHANGED: (0, 1), RIGHT: (1,)}
    assert places == [(row, side) for row, sign in enumerate(signs) for side in wanted.get(chr(sign), (0,))]
    assert all(places[lines.find_line(row)][0] == row for row in range(len(signs)))


@given(SIGNS)
def test_the_steps_visit_every_difference_in_both_directions(signs: bytearray) -> None:
    found, row = [], -1
    while (following := find_difference(signs, row, 1)) is not None:
        row = following
        found.append(row)
    assert len(found) == count_differences(signs)
    back, row = [], len(signs)
    while (before := find_difference(signs, row, -1)) is not None:
        row = before
        back.append(row)
    assert back == found[::-1]
