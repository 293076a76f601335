"""The rows of the results of a search in many logs."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHit
from flow_tui.widgets.log.hit_painter import HitStyles, draw_hit_row
from flow_tui.widgets.log.hit_rows import HitGroup, HitRow, HitRows, RowRole

LOG = LogId("local", "task_1")
PLAIN = HitStyles.of(Style(), lambda _: Style())


def search(lines: list[str], context: int = 2) -> list[LogHit]:
    """The lines with an "x", as a search finds them."""
    offsets = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    return [
        LogHit(
            offsets[number],
            line,
            ((line.index("x"), line.index("x") + 1),),
            tuple(lines[max(0, number - context) : number]),
            tuple(lines[number + 1 : number + 1 + context]),
        )
        for number, line in enumerate(lines)
        if "x" in line
    ]


def listed(lines: list[str]) -> list[str]:
    rows = HitRows().build([HitGroup(LOG, "train", "", tuple(search(lines)))], [])
    assert rows[0].role is RowRole.TITLE
    return ["--" if row.role is RowRole.GAP else row.text for row in rows[1:]]


def as_grep_lists(lines: list[str]) -> list[str]:
    """What `grep -C 2 x` prints."""
    hits = [number for number, line in enumerate(lines) if "x" in line]
    near = [number for number in range(len(lines)) if any(abs(number - hit) <= 2 for hit in hits)]
    gaps = {number for last, number in pairwise(near) if number > last + 1}
    return [text for number in near for text in (["--"] if number in gaps else []) + [lines[number]]]


@given(st.lists(st.booleans(), max_size=30))
def test_lines_around_several_matches_are_listed_once(matches: list[bool]) -> None:
    lines = [f"{'x' * is_match}line {number}" for number, is_match in enumerate(matches)]
    if any(matches):
        assert listed(lines) == as_grep_lists(lines)


@given(st.lists(st.sampled_from(["x", "a", "b"]), min_size=1, max_size=30))
def test_among_equal_lines_every_match_is_listed_and_in_its_order(lines: list[str]) -> None:
    rows = HitRows().build([HitGroup(LOG, "train", "", tuple(search(lines)))], [])
    numbers = [row.hit for row in rows if row.role is RowRole.HIT]
    assert numbers == list(range(lines.count("x")))


def test_equal_lines_around_two_distant_matches_are_not_taken_for_the_same_lines() -> None:
    lines = ["x failed", "retry", *(f"a long line of another kind, number {number}" for number in range(20))]
    lines += ["x failed", "retry", "end"]
    assert listed(lines) == as_grep_lists(lines)


def test_logs_that_were_not_searched_are_listed_below_the_others_with_the_reason() -> None:
    groups = [HitGroup(LOG, "train", "1 line", (LogHit(0, "x", ((0, 1),)),))]
    rows = HitRows().build(groups, [("serve  rank 2", "gpu1 is unreachable")])
    assert [(row.role, row.text, row.note) for row in rows] == [
        (RowRole.TITLE, "train", "1 line"),
        (RowRole.HIT, "x", ""),
        (RowRole.BLANK, "", ""),
        (RowRole.TITLE, "not searched", "1 log"),
        (RowRole.MISSING, "serve  rank 2: gpu1 is unreachable", ""),
    ]


def test_only_the_rows_of_a_log_with_new_results_are_built_again() -> None:
    builder = HitRows()
    one, two = (HitGroup(LogId("local", name), name, "", tuple(search(["x", "y"]))) for name in ("one", "two"))
    before = builder.build([two], [])
    after = builder.build([one, HitGroup(two.log, "two", "", two.hits)], [])
    assert [row.text for row in after] == ["one", "x", "y", "", "two", "x", "y"]
    assert all(old is new for old, new in zip(before, after[4:], strict=True))
    changed = builder.build([one, HitGroup(two.log, "two", "", tuple(search(["x", "x", "y"])))], [])
    assert [row.text for row in changed[4:]] == ["two", "x", "x", "y"]


def draw(row: HitRow, width: int = 30, *, has_cursor: bool = False) -> str:
    strip = draw_hit_row(row, width, PLAIN, has_cursor=has_cursor)
    assert strip.cell_length == width
    return strip.text.rstrip()


def test_a_long_line_is_cut_so_that_its_match_is_in_view() -> None:
    text = "." * 100 + "MATCH" + "." * 100
    shown = draw(HitRow(RowRole.HIT, text, spans=((100, 105),)), has_cursor=True)
    assert shown == "▸ ‹........MATCH.............›"
    assert draw(HitRow(RowRole.HIT, text, spans=((0, 1),))) == "  " + "." * 27 + "›"
    assert draw(HitRow(RowRole.HIT, "日本語" * 20 + "MATCH", spans=((60, 65),)), width=31).endswith("MATCH")


def test_the_match_has_its_own_style_and_foreign_controls_are_not_shown_as_they_are() -> None:
    styles = HitStyles.of(Style(), lambda name: Style(bold=True) if name == "match" else Style())
    strip = draw_hit_row(HitRow(RowRole.HIT, "a \u202eMATCH b", spans=((3, 8),)), 30, styles, has_cursor=False)
    assert [segment.text for segment in strip if segment.style and segment.style.bold] == ["MATCH"]
    assert "\u202e" not in strip.text


def test_a_title_that_is_too_long_leaves_room_for_its_count() -> None:
    shown = draw(HitRow(RowRole.TITLE, "a-very-long-name-of-a-task  rank 1", "12 lines"))
    assert shown.startswith("a-very-long-name")
    assert shown.endswith("…  12 lines")
