"""Comparing the log in the pane with that of another task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from testbed.tui.log_desk import marked_row
from testbed.tui.press import press
from testbed.waiting import DEADLINE_S, until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.dialogs.pick import Pick
from flow_tui.panes.logs.compare_screen import CompareScreen
from flow_tui.panes.logs.other_tasks import list_candidates
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen

STEPS = 'i=0; while [ $i -lt 40 ]; do echo "step $i loss 0.$RANDOM"; i=$((i+1)); done'
OLD = f"echo lr 1e-4 cosine; {STEPS}; echo saved; echo done"
NEW = f"echo lr 1e-4 linear; {STEPS}; echo saved"


@asynccontextmanager
async def comparison(size: tuple[int, int]) -> AsyncIterator[tuple[LogsPane, CompareScreen, Pilot[None]]]:
    """The newest task, compared with the one of the same name."""
    async with AsyncFlow("local") as flow:
        for name, command in (("train", OLD), ("other", "echo hello"), ("train", NEW)):
            await (await flow.run(TaskConfig.parse({"name": name, "command": command}))).wait(DEADLINE_S)
    app = FlowApp(load_config())
    async with app.run_test(size=size) as pilot:
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        await until(lambda: dashboard.pane(TasksPane).selected)
        await dashboard.panes.wait_until_all_loaded()
        pane = dashboard.query_one(LogsPane)
        await press(pilot, "app.show_logs")
        await until(lambda: pane.has_focus_within and pane.view.log_size)
        await press(pilot, "logs.compare")
        await until(lambda: isinstance(app.screen, Pick))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, CompareScreen))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(lambda: "2 differences" in border(screen))
        yield pane, screen, pilot


def border(screen: CompareScreen) -> str:
    return str(screen.view.parent.border_subtitle) if screen.view.parent else ""  # type: ignore[attr-defined]


def rows(screen: CompareScreen) -> list[str]:
    """The rows of the comparison, without those below the last one."""
    found = [screen.view.render_line(y).text.rstrip() for y in range(screen.view.size.height)]
    return [row for row in found if row]


async def test_the_logs_are_side_by_side_where_there_is_room_and_a_line_opens_in_its_log() -> None:
    async with comparison((120, 36)) as (pane, screen, pilot):
        shown = rows(screen)
        assert [text.strip() for text in shown[0].split("|")] == ["lr 1e-4 linear", "lr 1e-4 cosine"]
        assert [row for row in shown if "equal" in row] == ["··· 35 equal lines ···"]
        assert shown[-1].split() == [">", "done"]
        await press(pilot, "logs.next_match")
        await pilot.press("enter")
        await until(lambda: marked_row(pane) == "done")
        assert "train" in str(pane.border_title)


async def test_without_room_the_logs_are_one_below_the_other_with_their_signs() -> None:
    async with comparison((80, 24)) as (pane, screen, pilot):
        shown = rows(screen)
        assert shown[:2] == ["< lr 1e-4 linear", "> lr 1e-4 cosine"]
        assert shown[-1] == "> done"
        await pilot.press("j", "enter")
        await until(lambda: marked_row(pane) == "lr 1e-4 cosine")


async def test_the_cursor_changes_sides_and_the_size_of_the_screen_may_change() -> None:
    async with comparison((120, 36)) as (pane, screen, pilot):
        await pilot.resize_terminal(80, 24)
        await until(lambda: not screen.view.is_side_by_side)
        await pilot.resize_terminal(120, 36)
        await until(lambda: screen.view.is_side_by_side)
        assert screen.view.current == (0, 0)
        await pilot.press("tab", "enter")
        await until(lambda: marked_row(pane) == "lr 1e-4 cosine")


async def test_a_key_compares_again_and_escape_goes_back_to_the_log() -> None:
    async with comparison((80, 24)) as (pane, screen, pilot):
        before = screen._comparison
        await pilot.press("r")
        await until(lambda: screen._comparison is not before and "2 differences" in border(screen))
        assert rows(screen)[-1] == "> done"
        await pilot.press("escape")
        await until(lambda: pane.has_focus_within)
        compared = screen._comparison
        assert compared is not None
        await until(lambda: compared._file.closed)


def test_tasks_of_the_same_name_come_first_and_then_the_newest() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)

    def record(number: int, name: str) -> TaskRecord:
        times = {"created_at": moment + timedelta(hours=number), "started_at": moment}
        return TaskRecord(
            "local", f"task_{number}", f"{name}-{number}", TaskStatus.RUNNING, config={"name": name}, **times
        )

    tasks = [record(0, "train"), record(1, "other"), record(2, "train"), record(3, "new"), record(4, "train")]
    waiting = TaskRecord("local", "task_9", "train", TaskStatus.PENDING)
    assert [one.name for one in list_candidates(tasks[2], (*tasks, waiting))] == [
        "train-4",
        "train-0",
        "new-3",
        "other-1",
    ]
