"""The dashboard over real local contexts."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from testbed.screen_text import screen_text
from testbed.tui.dashboard import config as config
from testbed.tui.dashboard import notices, opened
from testbed.tui.press import press
from testbed.tui.shell_pane import has_live_shells
from testbed.waiting import until

from flow_core import AsyncFlow, TaskConfig
from flow_core.config import Config, state_dir
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpScreen
from flow_tui.dialogs.pick import Pick
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.widgets.bar import Bar


async def finished(command: str = "true", context: str = "local", config: Config | None = None) -> str:
    async with AsyncFlow(context, config=config) as flow:
        return str((await flow.submit(command, wait=True)).task_id)


async def test_two_contexts_may_hold_the_same_task_id(config: Callable[[str], Config]) -> None:
    settings = config("contexts: {lab: {provider: local}}")
    task_id = await finished("echo from one", config=settings)
    contexts = next(state_dir().glob("local/*/contexts"))
    shutil.copytree(contexts / "local", contexts / "lab")
    async with opened(settings) as (app, dashboard, pilot):
        await until(lambda: len(dashboard.pane(TasksPane).table.rows) == 2)
        assert {task.key for task in app.fleet.tasks} == {("local", task_id), ("lab", task_id)}
        await press(pilot, "tasks.filter", *"context:lab", "enter")
        assert [task.context for task in dashboard.pane(TasksPane).table.rows] == ["lab"]


async def test_nothing_can_be_changed_while_read_only() -> None:
    await finished()
    async with opened(read_only=True) as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        await press(pilot, "app.new_task", "tasks.cancel", "tasks.shell", "tasks.rerun")
        await pilot.pause()
        assert app.screen is dashboard
        assert "READ-ONLY" in screen_text(app)
        hints = [piece.text for piece in dashboard.query_one("#footer", Bar).left]
        assert "l logs" in hints
        assert "^d end" not in hints
        dashboard.action_act("app.new_task")
        await until(lambda: any("read-only" in notice for notice in notices(app)))


async def test_of_an_ended_task_the_yaml_is_copied_help_opens_its_detail_and_what_can_not_be_done_says_why() -> None:
    await finished("printf '[red]x[/] \\033]0;owned\\007 \\033[2J'")
    async with opened() as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).selected)
        await press(pilot, "tasks.cancel")
        await until(lambda: any("has already ended" in notice for notice in notices(app)))
        await press(pilot, "tasks.shell")
        await until(lambda: any("needs a running task" in notice for notice in notices(app)))
        assert app.screen is dashboard
        await press(pilot, "tasks.spec")
        await until(lambda: "copied" in notices(app))
        assert "\ncommand: printf '[red]x[/] \\033]0;owned" in app.clipboard
        await press(pilot, "app.help")
        await until(lambda: isinstance(app.screen, HelpScreen))
        await press(pilot, *"tasks.detail", "enter")
        await until(lambda: isinstance(app.screen, TaskDetail))
        await until(lambda: "[red]x[/]" in screen_text(app))
        assert "\x1b" not in screen_text(app)  # the name, the command and the log are never markup nor control


async def test_the_log_of_the_selected_task_is_shown_and_the_cursor_stays_when_another_is_submitted() -> None:
    await finished("echo first words")
    second = await finished("echo other words")
    async with opened() as (app, dashboard, pilot):
        await until(lambda: "other words" in screen_text(app))
        await finished()
        app.fleet.refresh()
        await until(lambda: len(dashboard.pane(TasksPane).table.rows) == 3)
        assert dashboard.pane(TasksPane).selected is not None
        assert dashboard.pane(TasksPane).selected.task_id == second
        await press(pilot, "tasks.cursor_down")
        await until(lambda: "first words" in screen_text(app).split("Log")[-1])


@pytest.mark.needs("ssh")
async def test_the_ssh_command_of_a_running_task_is_copied_once_it_is_chosen_and_its_end_is_logged() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.submit("sleep 300")
        async with opened() as (app, dashboard, pilot):
            await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_running)
            await press(pilot, "tasks.copy")
            await until(lambda: isinstance(app.screen, Pick))
            await until(lambda: "ssh command" in screen_text(app))
            assert not list(state_dir().glob("local/*/ssh"))
            await pilot.press("end", "enter")
            await until(lambda: "copied" in notices(app))
            assert app.clipboard == await flow.ssh_command(task.task_id)
            await press(pilot, "tasks.cancel")
            await until(lambda: isinstance(app.screen, Confirm))
            await press(pilot, "confirm.agree")
            await until(lambda: app.fleet.task(task.key) and app.fleet.task(task.key).is_terminal)
            await until(lambda: app.fleet.gate.log.read_recent()[0].verb == "cancel")
            assert app.fleet.gate.log.read_recent()[0].result == "ok"


async def test_every_size_survives_being_resized_to_every_other() -> None:
    await finished("seq 1 500")
    async with opened() as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        for size in [(60, 15), (160, 48), (20, 5), (80, 24), (3, 1), (200, 60), (120, 36)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await until(lambda: "NAME" in screen_text(app))


async def test_the_users_own_keys_replace_ours(config: Callable[[str], Config]) -> None:
    settings = config("dashboard: {keys: {tasks.detail: x, tasks.fly: y}}")
    await finished()
    async with opened(settings) as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        await until(lambda: any("tasks.fly" in notice for notice in notices(app)))
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, TaskDetail))


async def test_a_shell_asked_for_before_the_panes_are_there_opens_once_they_are() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig(name="early", command="sleep 300"), wait=True)
        app = FlowApp(load_config())
        async with app.run_test(size=(120, 36)):
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            dashboard.pane(TasksPane).show([task.record])
            dashboard.action_act("tasks.shell")
            await until(lambda: has_live_shells(dashboard.pane(ShellPane)))
            await dashboard.pane(ShellPane).close()


async def test_tasks_tell_their_attempt_and_instances_where_there_is_room() -> None:
    async with AsyncFlow("local") as flow:
        await flow.run(TaskConfig(name=f"twice-{'x' * 50}", command="true", num_instances=2, retries=3))
    async with opened(size=(160, 48)) as (_, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        await press(pilot, "app.zoom")
        await until(lambda: {"instances", "attempt"} <= set(dashboard.pane(TasksPane).table.shown_columns))
    async with opened(size=(60, 15)) as (_, dashboard, _):
        await until(lambda: dashboard.pane(TasksPane).table.rows)
        assert not {"instances", "attempt"} & set(dashboard.pane(TasksPane).table.shown_columns)
