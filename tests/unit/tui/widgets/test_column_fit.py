"""How the columns of the tables share the room at common sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.bare_services import bare_services
from testbed.screen_text import screen_rows
from testbed.screenshot_provider import LAB_TASKS
from testbed.showcase import showcase
from testbed.tui.press import press

from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.widgets.column_fit import ColumnFit
from flow_tui.widgets.columns import Column, place_columns

LONG = LAB_TASKS[0].name


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48)])
async def test_a_name_that_is_cut_is_marked_and_stands_whole_at_the_foot_of_its_pane(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with showcase(size, tmp_path) as shown:
        rows = screen_rows(shown.app)
        (row,) = [row for row in rows if "▸ llama" in row]
        if LONG not in row:
            name = row.split("▸ ")[1].split("  ")[0]
            assert name.endswith("…")
            assert len(name) >= (26 if size[0] == 120 else 18)  # at 160 columns the pane is half as wide
            assert any(LONG in row for row in rows if "┗" in row)
        await press(shown.pilot, "tasks.cursor_down")
        await shown.pilot.pause()
        assert not any(LONG in row for row in screen_rows(shown.app) if "┗" in row)


def test_columns_without_information_leave_their_room_to_the_others() -> None:
    pane = TasksPane(bare_services())
    fit = ColumnFit(pane.make_columns())
    fit.update_widths([(task.task_id, task) for task in LAB_TASKS], 114, "", from_scratch=True)
    widths = {placed.column.key: placed.width for placed in fit.placed}
    assert not {"context", "attempt", "instances"} & widths.keys()
    assert widths["name"] >= 30


def test_a_column_that_gains_information_is_there_again() -> None:
    fit = ColumnFit([Column[str]("a", "A", str, priority=9), Column[str]("b", "B", lambda text: text[1:] or "-")])
    fit.update_widths([("x", "x")], 40, "", from_scratch=True)
    assert [placed.column.key for placed in fit.placed] == ["a"]
    assert fit.update_widths([("xy", "xy")], 40, "", from_scratch=False)
    assert [placed.column.key for placed in fit.placed] == ["a", "b"]


def test_room_goes_to_what_matters_most_and_no_column_is_wider_than_its_content() -> None:
    columns = [
        Column[str]("note", "NOTE", str, min_width=4, max_width=10, priority=6),
        Column[str]("name", "NAME", str, min_width=4, max_width=10, priority=9),
    ]
    widths = {placed.column.key: placed.width for placed in place_columns(columns, 26, {"note": 30, "name": 12})}
    assert widths == {"name": 12, "note": 12}
    widths = {placed.column.key: placed.width for placed in place_columns(columns, 80, {"note": 30, "name": 12})}
    assert widths == {"name": 12, "note": 30}


def test_a_column_of_little_importance_waits_until_the_important_ones_are_wide_enough() -> None:
    columns = [
        Column[str]("name", "NAME", str, min_width=4, max_width=20, priority=9),
        Column[str]("extra", "EXTRA", str, min_width=6, priority=1),
    ]
    needs = {"name": 20, "extra": 6}
    assert [placed.column.key for placed in place_columns(columns, 27, needs)] == ["name"]
    assert [placed.column.key for placed in place_columns(columns, 28, needs)] == ["name", "extra"]
