"""The rows of a comparison: what is folded and what stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flow_core.logs.analysis.diff_rows import CHANGED, FOLDED, LEFT, RIGHT, SAME, DiffRow, fold_pairs
from flow_core.logs.analysis.line_diff import DiffKind, LinePair, diff_lines
from flow_core.logs.analysis.text_line import TextLine

KINDS = {SAME: DiffKind.SAME, CHANGED: DiffKind.CHANGED, LEFT: DiffKind.ONLY_LEFT, RIGHT: DiffKind.ONLY_RIGHT}


def pairs(signs: str) -> list[LinePair]:
    """Pairs with these signs; the offset of a line is its number."""
    lines = [TextLine(number, f"line {number}") for number in range(len(signs))]
    return [
        LinePair(KINDS[sign], None if sign == RIGHT else line, None if sign == LEFT else line)
        for sign, line in zip(signs, lines, strict=True)
    ]


def fold(signs: str) -> str:
    return "".join(row.sign if row.sign != FOLDED else f"({row.lines})" for row in fold_pairs(pairs(signs)))


def test_three_equal_lines_stay_around_each_difference() -> None:
    assert fold("==========|==========") == "(7)===|===(7)"
    assert fold("|======<") == "|======<"
    assert fold("|=======>") == "|===(1)===>"
    assert fold("=====") == "(5)"
    assert fold("") == ""


def test_a_row_has_the_lines_of_both_logs_and_their_offsets() -> None:
    left, right = ["start", "lr 1e-4 cosine", "end"], ["start", "warmup is on", "end"]
    texts = [[TextLine(10 * number, text) for number, text in enumerate(log)] for log in (left, right)]
    assert list(fold_pairs(diff_lines(*texts))) == [
        DiffRow(SAME, 0, 0, "start", "start"),
        DiffRow(LEFT, 10, -1, "lr 1e-4 cosine", ""),
        DiffRow(RIGHT, -1, 10, "", "warmup is on"),
        DiffRow(SAME, 20, 20, "end", "end"),
    ]


@given(st.text(SAME * 3 + CHANGED + LEFT + RIGHT, max_size=60))
def test_no_line_is_lost_and_every_difference_stays(signs: str) -> None:
    rows = list(fold_pairs(pairs(signs)))
    assert "".join(SAME * row.lines if row.sign == FOLDED else row.sign for row in rows) == signs
    assert all(not row.is_difference or row.lines == 1 for row in rows)
