"""Text typed right after the key that opens a shell goes to that shell, over a real local context."""

from __future__ import annotations

from testbed.tui.dashboard import notices, opened
from testbed.tui.press import key_of, type_at_once
from testbed.tui.shell_of_task import in_a_shell, opened_task
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.terminal.prefix import PREFIX_KEYS, RELEASE_KEY, Command
from flow_tui.widgets.terminal import TerminalView

KEY_OF_ANOTHER = next(row.key for row in PREFIX_KEYS if row.command is Command.ANOTHER)


def shown(view: TerminalView | None) -> str:
    return "" if view is None else "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


def dashboard_of(app: FlowApp) -> DashboardScreen:
    dashboard = app.screen_stack[0]
    assert isinstance(dashboard, DashboardScreen)
    return dashboard


async def test_a_command_that_is_typed_together_with_the_key_that_opens_a_shell_runs_in_the_shell() -> None:
    async with AsyncFlow("local") as flow, opened_task(flow), opened() as (app, dashboard, _):
        await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_running)
        type_at_once(app, key_of(app, "tasks.shell") + "echo quiet-$((40+2))\r")
        await until(lambda: "quiet-42" in shown(dashboard.pane(ShellPane).front))
        assert app.screen is dashboard
        assert dashboard.panes.front == "shell"
        await dashboard.pane(ShellPane).close()


async def test_text_typed_before_the_shell_pane_is_there_goes_to_the_shell() -> None:
    async with AsyncFlow("local") as flow, opened_task(flow):
        app = FlowApp(load_config())

        def type_as_soon_as_the_task_is_listed(_: frozenset[str]) -> None:
            if app.fleet.tasks:
                forget()
                app.call_later(type_at_once, app, key_of(app, "tasks.shell") + "echo quiet-$((40+2))\r")

        forget = app.fleet.subscribe(type_as_soon_as_the_task_is_listed)
        async with app.run_test(size=(120, 36)):
            dashboard = dashboard_of(app)
            await until(lambda: "quiet-42" in shown(dashboard.pane(ShellPane).front))
            assert app.screen is dashboard
            await dashboard.pane(ShellPane).close()


async def test_what_came_with_the_key_for_a_shell_that_can_not_be_opened_is_no_command() -> None:
    async with AsyncFlow("local") as flow, opened() as (app, dashboard, pilot):
        await flow.submit("true", wait=True)
        await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_terminal)
        type_at_once(app, key_of(app, "tasks.shell") + "q")
        type_at_once(app, "q2\r")
        await until(lambda: any("a shell needs a running task" in notice for notice in notices(app)))
        await pilot.pause()
        assert app.screen is dashboard
        assert dashboard.panes.front == "tasks"
        assert app.is_running


async def test_a_command_that_is_typed_together_with_the_keys_that_open_another_shell_runs_in_that_one() -> None:
    async with in_a_shell() as (app, dashboard, pilot):
        first = dashboard.pane(ShellPane).front
        await pilot.press(RELEASE_KEY)
        type_at_once(app, KEY_OF_ANOTHER + "echo quiet-$((40+2))\r")
        await until(
            lambda: (
                dashboard.pane(ShellPane).front is not first and "quiet-42" in shown(dashboard.pane(ShellPane).front)
            )
        )
        assert "quiet" not in shown(first)
