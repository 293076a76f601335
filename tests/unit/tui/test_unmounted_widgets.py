"""Widgets take what they are told before they are mounted and after they are gone."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.bare_services import KEYS, bare_services
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.screen import Screen
from textual.widget import Widget

import flow_tui
from flow_core.agent.spool import SpoolFiles
from flow_core.config import state_dir
from flow_core.config_file import load_config
from flow_core.models.instance import AvailableInstance
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.volume import Volume
from flow_core.prompter import HostKeyPrompt, LoginProgress, SecretPrompt
from flow_tui.app import FlowApp
from flow_tui.dialogs.login_waiting import LoginWaiting
from flow_tui.dialogs.prompt_dialog import HostKeyDialog, SecretDialog
from flow_tui.panes.instances.pane import InstancesPane
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.volumes.pane import VolumesPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.terminal.prefix import RELEASE_KEY
from flow_tui.widgets.bar import Bar, Piece
from flow_tui.widgets.log import LogView
from flow_tui.widgets.terminal import TerminalView

TASK = TaskRecord("local", "t-1", "train", TaskStatus.RUNNING)
LOOK_UPS = frozenset(
    {
        *("query_one", "query_exactly_one", "query_one_optional", "query_children", "query_ancestor"),
        *("get_child_by_id", "get_child_by_type", "get_widget_by_id", "first", "last", "only_one"),
    }
)


def tell_tasks(pane: TasksPane) -> None:
    pane.show([TASK])
    pane.step_back()
    pane.sort_by_next()
    pane.table.move_to(TASK.key)
    pane.table.redraw_rows()
    pane.show([], stale=True, problem="local could not be read")


def tell_instances(pane: InstancesPane) -> None:
    pane.show([AvailableInstance("local", "gpu1", "2xa100", "gpu1", 0.0)])
    pane.show_markets({}, "no prices")
    pane.table.redraw_rows()


def tell_volumes(pane: VolumesPane) -> None:
    pane.show([Volume("local", "v-1", "data", 1)])
    pane.show_fleet()


def tell_logs(pane: LogsPane) -> None:
    pane.show(TASK, None, None, "rank 0")
    pane.step_back()
    pane.show(None, None)
    pane.toggle_wrap()
    pane.cycle_stream()


def tell_log_view(view: LogView) -> None:
    view.open(SpoolFiles.at(state_dir() / "none"), None)
    view.open(None, None)
    view.clear_search()
    view.action_follow()


def tell_terminal(view: TerminalView) -> None:
    view.expect_shell()
    view.paint_frame()
    view.notify_style_update()
    view.record(None)


def tell_bar(bar: Bar) -> None:
    bar.left = bar.right = (Piece("text", "bold"),)


@pytest.mark.parametrize(
    ("make", "tell"),
    [
        (lambda: TasksPane(bare_services()), tell_tasks),
        (lambda: InstancesPane(bare_services()), tell_instances),
        (lambda: VolumesPane(bare_services()), tell_volumes),
        (lambda: LogsPane(bare_services()), tell_logs),
        (LogView, tell_log_view),
        (TerminalView, tell_terminal),
        (lambda: Bar(id="header"), tell_bar),
    ],
    ids=["tasks", "instances", "volumes", "logs", "log view", "terminal", "bar"],
)
async def test_a_widget_that_is_not_there_yet_or_any_more_takes_what_it_is_told(
    make: Callable[[], Widget], tell: Callable[[Widget], None]
) -> None:
    app = ThemedApp()
    async with app.run_test() as pilot:
        widget = make()
        tell(widget)
        mounting = app.mount(widget)
        tell(widget)
        await mounting
        await pilot.pause()
        tell(widget)
        removing = widget.remove()
        tell(widget)
        await removing
        tell(widget)
        await pilot.pause()


def tell_dashboard(dashboard: DashboardScreen) -> None:
    dashboard._show_fleet(frozenset({"tasks"}))
    dashboard._tick()
    dashboard._show_status()
    dashboard.services.selection.change(TASK)
    dashboard.services.selection.change(None)
    dashboard.pane(ShellPane).on_terminal_view_state_changed()
    dashboard.pane(ShellPane).on_terminal_view_ended()
    for pane in ("shell", "logs", "instances", "tasks"):
        dashboard.panes.bring_to_front(pane)


def tell_detail(detail: TaskDetail) -> None:
    detail.update(replace(TASK, status=TaskStatus.FAILED, message="exit 1"))
    detail.update(TASK)
    detail.action_switch()


def tell_asked(dialog: HostKeyDialog | SecretDialog) -> None:
    dialog.accept("")
    dialog.expire()


@pytest.mark.parametrize(
    ("make", "tell"),
    [
        (lambda app: DashboardScreen(app.fleet, app.prompts, KEYS, release_key=RELEASE_KEY), tell_dashboard),
        (lambda _: TaskDetail(TASK, KEYS), tell_detail),
        (lambda _: HostKeyDialog(HostKeyPrompt("gpu1", "ssh-ed25519", "SHA256:x", "gpu1:22", "")), tell_asked),
        (lambda _: SecretDialog(SecretPrompt("gpu1", "password", "Password:")), tell_asked),
    ],
    ids=["dashboard", "detail", "host key", "secret"],
)
async def test_a_screen_that_is_not_there_yet_or_any_more_takes_what_it_is_told(
    make: Callable[[FlowApp], Screen[object]], tell: Callable[[Screen[object]], None]
) -> None:
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        screen = make(app)
        tell(screen)
        pushing = app.push_screen(screen)
        tell(screen)
        await pushing
        tell(screen)
        popping = app.pop_screen()
        tell(screen)
        await popping
        tell(screen)
        await pilot.pause()


async def test_what_a_host_waits_for_may_be_over_before_the_dialog_is_there() -> None:
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(2):
            dialog = LoginWaiting(LoginProgress("gpu1", "to check the login"))
            answers: list[str | None] = []
            dialog.expire()
            app.push_screen(dialog, answers.append)
            dialog.expire()
            await until(lambda answers=answers: answers == [None])
            dialog.expire()
            await pilot.pause()
        assert len(app.screen_stack) == 1


def test_no_widget_is_looked_up() -> None:
    """A look-up fails before the widget is mounted and after it is gone; a reference works at any moment."""
    found = [
        f"{file.name}:{node.lineno} {node.func.attr}"
        for file in sorted(Path(flow_tui.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOOK_UPS
    ]
    assert found == []
