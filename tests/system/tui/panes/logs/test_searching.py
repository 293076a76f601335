"""The search row of the logs pane: its modes, its history, and what is wrong with a pattern."""

from __future__ import annotations

from pathlib import Path

from testbed.tui.log_desk import log_desk, marked_row, status
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_tui.panes.logs.pane import LogsPane

DATA = "".join(f"line {n}\n" for n in range(1, 100)).encode() + b"[rank0]: f(x) failed\nrank and file\n" + b"end\n" * 20


async def search(pane: LogsPane, pilot: Pilot[None], text: str, *keys: str) -> None:
    await press(pilot, "logs.search", *keys)
    pane.row.input.value = text
    await pilot.press("enter")


def mode(pane: LogsPane) -> str:
    return str(pane.row._mode.render())


async def test_a_new_search_starts_empty_and_up_shows_the_earlier_ones(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        for text in ("line 3$", "line 44", "line 3$"):
            await search(pane, pilot, text)
            await until(lambda text=text: marked_row(pane) == text.strip("$"))  # type: ignore[misc]
        await press(pilot, "logs.search")
        assert pane.row.input.value == ""
        found = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            found.append(pane.row.input.value)
        assert found == ["line 3$", "line 44", "line 44", "line 3$", ""]


async def test_enter_in_an_empty_input_goes_to_the_next_match_or_repeats_the_last_search(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        await press(pilot, "logs.search", "enter")
        assert not pane.row.is_open
        await press(pilot, "logs.scroll_home")
        await search(pane, pilot, "line 1\\d")
        await until(lambda: marked_row(pane) == "line 10")
        await press(pilot, "logs.search", "enter")
        await until(lambda: marked_row(pane) == "line 11")
        assert not pane.row.is_open
        await pilot.press("escape")
        await until(lambda: not pane.view.is_searching)
        await press(pilot, "logs.scroll_home", "logs.search", "enter")
        await until(lambda: marked_row(pane) == "line 10")


async def test_an_invalid_pattern_is_reported_while_it_is_typed(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        await press(pilot, "logs.search", *"f(")
        await until(lambda: status(pane).startswith("not a regular expression: missing )"))
        assert pane.status.has_class("-problem")
        await pilot.press("x", ")")
        await until(lambda: status(pane) == "")
        await pilot.press("backspace")
        await until(lambda: "missing )" in status(pane))
        await pilot.press("ctrl+r")
        await until(lambda: status(pane) == "")
        assert mode(pane).startswith("exact text")
        await pilot.press("enter")
        await until(lambda: marked_row(pane) == "[rank0]: f(x) failed")


async def test_a_word_in_brackets_is_searched_as_it_is_and_the_key_chooses_otherwise(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        await press(pilot, "logs.scroll_home", "logs.search", *"[rank0]")
        assert mode(pane).startswith("exact text")
        await pilot.press("enter")
        await until(lambda: marked_row(pane) == "[rank0]: f(x) failed")
        await press(pilot, "logs.search")
        assert mode(pane).startswith("regular expression")
        await pilot.press("escape")
        await press(pilot, "logs.scroll_home", "logs.search", *"[rank0]", "ctrl+r")
        assert mode(pane).startswith("regular expression")
        await pilot.press("enter")
        await until(lambda: marked_row(pane) == "line 1")


async def test_the_repeated_search_has_the_mode_that_it_had(tmp_path: Path) -> None:
    async with log_desk(tmp_path, DATA) as (pane, pilot):
        await search(pane, pilot, "f(x)", "ctrl+r")
        await until(lambda: marked_row(pane) == "[rank0]: f(x) failed")
        await pilot.press("escape")
        await press(pilot, "logs.scroll_home", "logs.search", "enter")
        await until(lambda: marked_row(pane) == "[rank0]: f(x) failed")
