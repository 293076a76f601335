"""Going to lines, times and bookmarks with the keys of the logs pane."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from testbed.tui.log_desk import log_desk, marked_row, status
from testbed.tui.log_reader import T0, Reader, Source
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import state_dir
from flow_core.errors import FlowError
from flow_tui.dialogs.pick import Pick
from flow_tui.panes.logs.navigation import go_to_position

DATA = "".join(f"line {n}\n" for n in range(1, 501)).encode()


async def test_a_line_is_reached_by_its_number_as_sed_counts(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        for number in ("1", "500", "120"):
            await press(pilot, "logs.go_to", *number, "enter")
            await until(lambda number=number: marked_row(pane) == f"line {number}")  # type: ignore[misc]
            assert pane.view.has_focus
            assert not pane.view.following
        await press(pilot, "logs.go_to", *"501", "enter")
        await until(lambda: status(pane) == "the log has 500 lines")
        await press(pilot, "logs.go_to", *"some line", "enter")
        await until(lambda: status(pane).startswith("not a line or a time"))
        await press(pilot, "logs.go_to", *"7", "enter")
        await until(lambda: (marked_row(pane), status(pane)) == ("line 7", ""))


async def test_a_time_is_reached_from_the_current_line_and_by_the_clock(source: Source) -> None:
    for n in range(1000):  # a line each 1.5 s
        source.write(b"line %d\n" % n)
    app = Reader(source)

    async def go_to(text: str) -> str:
        await go_to_position(app.view, source.files, text, lambda _: None)
        return app.picture()[app.marks().index("▸")]

    async with app.run_test(size=(40, 10)):
        await until(lambda: app.picture()[-1] == "line 999")
        assert await go_to("-1m") == "line 959"
        assert await go_to("-1m30s") == "line 899"
        assert await go_to("+1s") == "line 900"
        first = datetime.fromtimestamp(T0 / 1_000_000 + 1.5).astimezone()
        assert await go_to(f"{first + timedelta(seconds=150):%H:%M:%S}") == "line 100"
        assert await go_to(f"{first - timedelta(days=3):%Y-%m-%d %H:%M}") == "line 0"
        for text, problem in (
            ("+1d", "no line of "),
            ("26:00", "no such time"),
            ("x", "not a line or a time"),
        ):
            with pytest.raises(FlowError, match=problem):
                await go_to(text)


async def test_a_line_that_was_not_counted_yet_is_waited_for(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(1, 101)))
    app, reports = Reader(source), list[str]()
    async with app.run_test(size=(40, 10)) as pilot:
        await until(lambda: app.counts and app.counts[-1][0] == 100)
        app.view.display = False  # a view out of sight counts nothing
        await pilot.pause()
        source.write(b"one\nmore\n")
        assert app.view._painter is not None
        app.view._painter.refresh()
        going = asyncio.create_task(go_to_position(app.view, source.files, "102", reports.append))
        await until(lambda: reports or going.done())  # a count that was under way may have found them
        assert reports[:1] in ([], ["counting lines: 98 %"])
        app.view.display = True
        await going
        await until(lambda: app.picture()[app.marks().index("▸")] == "more")


async def test_a_log_without_a_sidecar_is_searched_by_the_times_of_its_lines(tmp_path: Path) -> None:
    lines = [f"2026-01-02 03:{n // 60:02}:{n % 60:02} INFO step {n}\n  more\n" for n in range(3000)]
    (tmp_path / "train.log").write_text("".join(lines))
    async with log_desk(tmp_path, b"") as (pane, pilot):
        for typed, step in (("2026-01-02 03:20", 1200), ("-1m", 1140), ("03:07:05", 425)):
            await press(pilot, "logs.go_to", *typed, "enter")
            await until(lambda step=step: marked_row(pane).endswith(f"INFO step {step}"))  # type: ignore[misc]
        await press(pilot, "logs.go_to", *"+5d", "enter")
        await until(lambda: status(pane) == "the log has no line of 2026-01-07 03:07:05 or later")


async def test_an_empty_log_has_no_places(tmp_path: Path) -> None:
    async with log_desk(tmp_path, b"") as (pane, pilot):
        for typed in ("3", "-1m"):
            await press(pilot, "logs.go_to", *typed, "enter")
            await until(lambda: status(pane) == "there are no lines yet")


async def test_the_row_is_left_with_escape_and_keeps_what_was_typed_before(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        await press(pilot, "logs.go_to", *"12", "enter")
        await until(lambda: marked_row(pane) == "line 12")
        await press(pilot, "logs.go_to", *"9")
        await pilot.press("up")
        assert pane.row.input.value == "12"
        await pilot.press("down")
        assert pane.row.input.value == "9"
        await pilot.press("escape")
        assert not pane.row.is_open
        assert pane.view.has_focus
        assert marked_row(pane) == "line 12"


async def test_bookmarks_are_set_named_listed_and_kept_for_the_next_dashboard(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        for number, name in (("400", "the end"), ("30", "")):
            await press(pilot, "logs.go_to", *number, "enter")
            await until(lambda number=number: marked_row(pane) == f"line {number}")  # type: ignore[misc]
            before = len(pane.view.bookmarks)
            await press(pilot, "logs.bookmark", *name, "enter")
            await until(lambda before=before: len(pane.view.bookmarks) == before + 1)  # type: ignore[misc]
        await press(pilot, "logs.next_bookmark")
        await until(lambda: marked_row(pane) == "line 400")
        await press(pilot, "logs.previous_bookmark")
        await until(lambda: marked_row(pane) == "line 30")
        await press(pilot, "logs.previous_bookmark")
        await until(lambda: "no bookmark above" in " ".join(note.message for note in pilot.app._notifications))
    async with log_desk(tmp_path, b"") as (pane, pilot):
        await until(lambda: len(pane.view.bookmarks) == 2)
        await press(pilot, "logs.bookmarks")
        await until(lambda: isinstance(pilot.app.screen, Pick))
        await pilot.press("j", "enter")
        await until(lambda: marked_row(pane) == "line 400")
        await press(pilot, "logs.bookmark")
        await until(lambda: len(pane.view.bookmarks) == 1)
    assert (state_dir() / "log-bookmarks.json").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("action", ["logs.bookmarks", "logs.next_bookmark"])
async def test_a_log_without_bookmarks_says_which_key_sets_one(action: str, tmp_path: Path) -> None:
    async with log_desk(tmp_path, b"hello\n") as (pane, pilot):
        await press(pilot, action)
        await until(lambda: any("no bookmarks; m sets one" in note.message for note in pilot.app._notifications))
        assert pane.view.has_focus
