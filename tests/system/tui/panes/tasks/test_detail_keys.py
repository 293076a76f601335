"""The detail of a running task: its own keys act as its hints say, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from testbed.screen_text import screen_rows, screen_text
from testbed.tui.press import press
from testbed.tui.shell_pane import has_live_shells
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen

SIZES = [(60, 15), (80, 24), (120, 36)]
HINTS = ("j k scroll", "esc d close", "m metrics", "l logs", "s shell", "^d end", "Y copy YAML")
OF_THE_CLOUD = "pPepppp"
OF_THE_DASHBOARD = ("n", "r", "K", "A", "c", "slash", "question_mark", "exclamation_mark", "at", "1", "5", "z", "f8")
HELD_DOWN = ("ctrl+p", "colon", "ctrl+n", "ctrl+e", "ctrl+r", "f9")


@asynccontextmanager
async def detail_of_a_running_task(
    folder: Path,
    text: str = "",
    size: tuple[int, int] = (120, 36),
    command: str = "echo hello; sleep 300",
    **options: Any,
) -> AsyncIterator[tuple[FlowApp, DashboardScreen, Pilot[None]]]:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig(name="held", command=command), wait=True)
        app = FlowApp(load_config(file), **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            await until(lambda: dashboard.pane(TasksPane).table.rows and len(dashboard.query("#panes > *")) == 5)
            await press(pilot, "tasks.detail")
            await until(lambda: isinstance(app.screen, TaskDetail))
            await pilot.pause()
            yield app, dashboard, pilot
        await flow.cancel(task.task_id)


async def test_every_key_of_the_detail_does_what_its_hint_says_and_no_other_key_acts(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, dashboard, pilot):
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await until(lambda: hints_are_in_view(app), explain=lambda: screen_text(app))
        assert "pause" not in screen_rows(app)[-2]
        detail = app.screen
        await pilot.press(*OF_THE_CLOUD, *OF_THE_DASHBOARD, *HELD_DOWN)
        await pilot.pause()
        assert app.screen is detail
        assert not len(app._notifications)
        assert app.theme == "flow-dark"
        await press(pilot, "tasks.cancel")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        await until(lambda: app.screen is detail)
        await press(pilot, "tasks.shell")
        await until(lambda: app.screen is dashboard and has_live_shells(dashboard.pane(ShellPane)))
        assert dashboard.panes.front == "shell"
        await dashboard.pane(ShellPane).close()


def hints_are_in_view(app: FlowApp) -> bool:
    hints = app.screen.query_one(".dialog-hints").region
    rows = screen_rows(app)[hints.y : hints.bottom]
    text = "".join("".join(row[hints.x : hints.right] for row in rows).split())
    return all(hint.replace(" ", "") in text for hint in HINTS)


async def test_a_shell_that_can_not_be_opened_leaves_the_detail_open(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path, command="true") as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_terminal)
        await press(pilot, "tasks.shell")
        await until(lambda: "a shell needs a running task" in screen_text(app))
        assert isinstance(app.screen, TaskDetail)


async def test_the_detail_names_and_does_no_change_while_read_only(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path, read_only=True) as (app, dashboard, pilot):
        assert "l logs" in screen_text(app)
        assert "s shell" not in screen_text(app)
        await press(pilot, "tasks.shell", "tasks.cancel", "tasks.pause")
        await pilot.pause()
        assert isinstance(app.screen, TaskDetail)
        assert not len(app._notifications)
        await press(pilot, "tasks.logs")
        await until(lambda: app.screen is dashboard and dashboard.panes.front == "logs")
        await until(lambda: "hello" in screen_text(app))


async def test_the_users_own_keys_act_in_the_detail_and_stand_in_its_hints(tmp_path: Path) -> None:
    own = "dashboard: {keys: {tasks.logs: f4, tasks.spec: x, tasks.cancel: ctrl+x}}"
    async with detail_of_a_running_task(tmp_path, own) as (app, dashboard, pilot):
        text = screen_text(app)
        assert all(hint in text for hint in ("f4 logs", "x copy YAML", "^x end"))
        await pilot.press("l", "Y", "ctrl+d")
        await pilot.pause()
        assert isinstance(app.screen, TaskDetail)
        await press(pilot, "tasks.logs")
        await until(lambda: app.screen is dashboard and dashboard.panes.front == "logs")
        await until(lambda: "hello" in screen_text(app))
