"""The table of docs/performance.md, and how a run of the benchmarks changes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.page import BEGIN, END, HEAD, RULE, MalformedPage, Page, PageRow, read_page, write_page
from bench.readme import CHOSEN, show_rows
from bench.run import PARTS, main
from bench.table import Row
from hypothesis import given
from hypothesis import strategies as st
from testbed.places import ROOT

ORDER = ("start", "idle", "cursor")
BEFORE, AFTER = "# Speed\n\nWritten by hand.\n\n", "\n\n## What was tried\n\n| a | table | by hand |\n"
EMPTY = f"{BEFORE}{BEGIN}\n{END}{AFTER}"
LIVE = Row("live rows", 1.62, 1.5, "x", "322/199 ms")
IDLE = Row("idle CPU", 0.2, 0.5, "%")
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12).map(lambda text: f"a{text}")
ROWS = st.builds(
    Row, TEXTS, st.none() | st.floats(0, 1e4), st.floats(0, 1e4), st.sampled_from(("x", "ms")), TEXTS, st.booleans()
)


def test_a_run_of_one_part_replaces_its_own_rows_and_keeps_all_else() -> None:
    whole = Page.parse(EMPTY).with_part("idle", [IDLE], "2026-01-01", ORDER)
    whole = whole.with_part("start", [LIVE, Row("settled", 1.9, 2, "x")], "2026-01-01", ORDER)
    after = Page.parse(str(whole)).with_part("start", [LIVE], "2026-02-02", ORDER)
    assert [(row.part, row.what, row.date) for row in after.rows] == [
        ("start", "live rows", "2026-02-02"),
        ("idle", "idle CPU", "2026-01-01"),
    ]
    assert (after.before, after.after) == (BEFORE, AFTER)


def test_a_row_shows_its_target_its_figure_and_whether_it_is_met() -> None:
    cells = [PageRow.of("start", row, "2026-01-01") for row in (LIVE, IDLE, Row("speed", 9, 20, "MB/s", "", True))]
    assert [(row.target, row.figure, row.met) for row in cells] == [
        ("<= 1.5 x", "1.62 x", "**no**"),
        ("<= 0.5 %", "0.20 %", "yes"),
        (">= 20 MB/s", "9.00 MB/s", "**no**"),
    ]
    assert PageRow.of("start", Row("last screen", None, 4, "x"), "").figure == "none"


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.lists(ROWS, max_size=3)), max_size=6))
def test_the_page_holds_the_latest_rows_of_every_part_in_the_order_of_the_parts(
    runs: list[tuple[str, list[Row]]],
) -> None:
    page, expected = Page.parse(EMPTY), dict[str, list[str]]()
    for number, (part, rows) in enumerate(runs):
        page = Page.parse(str(page.with_part(part, rows, f"day {number}", ORDER)))
        expected[part] = [str(PageRow.of(part, row, f"day {number}")) for row in rows]
    assert [str(row) for row in page.rows] == [line for part in ORDER for line in expected.get(part, [])]
    assert (page.before, page.after) == (BEFORE, AFTER)


def test_figures_of_two_machines_are_not_mixed() -> None:
    page = Page.parse(EMPTY).measured_on("a laptop", "flow-tui 1", is_whole=False)
    page = page.with_part("idle", [IDLE], "2026-01-01", ORDER)
    with pytest.raises(MalformedPage, match="another machine"):
        page.measured_on("a server", "flow-tui 1", is_whole=False)
    assert page.measured_on("a laptop", "flow-tui 2", is_whole=False).rows == page.rows
    assert page.measured_on("a server", "flow-tui 2", is_whole=True).rows == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{BEFORE}{AFTER}", "once"),
        (f"{BEFORE}{END}\n{BEGIN}{AFTER}", "once"),
        (f"{BEFORE}{BEGIN}\n{BEGIN}\n{END}", "once"),
        (f"{BEGIN}\n{HEAD}\n{RULE}\n| start | live rows |\n{END}", "no row of the table: | start | live rows |"),
        (f"{BEGIN}\na note in the wrong place\n{END}", "no row of the table: a note"),
    ],
)
def test_a_page_that_cannot_be_updated_is_reported_with_a_sentence(text: str, problem: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedPage) as raised:
        read_page(page)
    assert problem in str(raised.value)


def test_a_page_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MalformedPage, match="can't be read"):
        read_page(tmp_path / "none.md")


def test_a_page_that_is_written_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    page = Page.parse(EMPTY).with_part("start", [LIVE], "2026-01-01", ORDER)
    write_page(file, page)
    assert str(read_page(file)) == str(page)
    assert list(tmp_path.iterdir()) == [file]


def test_our_page_can_be_updated_and_has_rows_of_known_parts_only() -> None:
    page = read_page(ROOT / "docs" / "performance.md")
    assert {row.part for row in page.rows} <= set(PARTS)


def test_every_benchmark_is_a_part_of_the_whole_run() -> None:
    found = {file.stem.removeprefix("bench_") for file in (ROOT / "tests" / "bench").glob("bench_*.py")}
    assert found == set(PARTS)


def test_an_unknown_part_is_refused_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "stat"]) == 2
    assert capsys.readouterr().err.startswith("no part is called stat; there are: start, list,")


def test_the_readme_shows_the_chosen_rows_of_the_page_and_nothing_else_of_it_changes() -> None:
    (part, what), text = next(iter(CHOSEN.items()))
    page = Page.parse(EMPTY).with_part(part, [Row(what, 1.4, 1.5, "x", "a|b"), IDLE], "2026-01-01", ORDER)
    shown = show_rows(EMPTY, page)
    assert f"| {text} | 1.40 x | a\\|b |\n" in shown
    assert IDLE.name not in shown
    assert show_rows(shown, page) == shown
    assert (shown.startswith(BEFORE), shown.endswith(AFTER)) == (True, True)
    with pytest.raises(MalformedPage, match=r"README\.md must hold"):
        show_rows("no marks", page)


def test_our_readme_shows_the_rows_of_our_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    empty = f"{readme.partition(BEGIN)[0]}{BEGIN}\n{END}{readme.partition(END)[2]}"
    page = read_page(ROOT / "docs" / "performance.md")
    assert readme == (show_rows(empty, page) if page.rows else empty)
    assert {part for part, _ in CHOSEN} <= set(PARTS)
