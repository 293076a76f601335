"""In a dialog only its own keys act: those that it names, and those that scroll, answer or close it."""

from __future__ import annotations

import string
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from testbed.bare_services import bare_services
from testbed.screen_text import screen_rows, screen_text
from testbed.tui.press import press
from testbed.waiting import until
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import ModalScreen

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpScreen
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.key_names import parse_key
from flow_tui.panes.shell.confirm_paste import ConfirmPaste
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.audit_log import AuditLogScreen
from flow_tui.screens.dashboard import DashboardScreen

RECORD = TaskRecord(task_id="task_1", name="train", context="local", status=TaskStatus.RUNNING, command="sleep 300")
ALWAYS = {"ctrl+c", "tab", "shift+tab", "enter", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
KEYS = [
    *(str(parse_key(character)) for character in string.printable if character.isprintable() and character != " "),
    *(f"ctrl+{letter}" for letter in string.ascii_lowercase),
    *(f"f{number}" for number in range(1, 13)),
]
DIALOGS: dict[str, Callable[[], ModalScreen[Any]]] = {
    "audit log": lambda: AuditLogScreen([]),
    "confirm": lambda: Confirm("End it?", [], call="kill", agree="End the task", refuse="Keep it running"),
    "paste": lambda: ConfirmPaste("one\ntwo"),
    "pick": lambda: Pick("Copy", [PickOption("id", "task_1"), PickOption("name", "train")]),
    "detail": lambda: TaskDetail(RECORD, bare_services().keys),
}


def foreign_keys(screen: ModalScreen[Any]) -> list[str]:
    """All keys without those of the dialog itself. Keys of actions that the dialog does not offer are foreign."""
    own = {
        binding.key
        for cls in type(screen).__mro__
        for binding in Binding.make_bindings(cls.__dict__.get("BINDINGS", ()))
        if not binding.action.startswith("act(")
    }
    return [key for key in KEYS if key not in own | ALWAYS]


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_key_that_is_not_the_dialogs_does_nothing(ask: Any, name: str) -> None:
    dialog = DIALOGS[name]()
    async with ask(dialog) as question:
        keys = foreign_keys(dialog)
        assert len(keys) > 60
        before = question.text
        for key in keys:
            await question.pilot.press(key)
            assert question.answers == [], key
        await question.pilot.pause()
        assert question.app.screen is dialog
        assert question.app.pressed_below == 0
        assert not len(question.app._notifications)
        assert question.text == before


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


async def test_s_closes_the_detail_and_opens_the_shell(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, dashboard, pilot):
        assert "s shell" in screen_text(app)
        await press(pilot, "tasks.shell")
        await until(lambda: app.screen is dashboard and dashboard.pane(ShellPane).has_live_shells)
        assert dashboard.panes.front == "shell"
        await dashboard.pane(ShellPane).close()


async def test_l_closes_the_detail_and_shows_the_log(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, dashboard, pilot):
        await press(pilot, "tasks.logs")
        await until(lambda: app.screen is dashboard and dashboard.panes.front == "logs")
        await until(lambda: "hello" in screen_text(app))


async def test_a_key_of_the_cloud_does_nothing_in_the_detail_of_a_local_task(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, _, pilot):
        assert "pause" not in screen_rows(app)[-2]
        await pilot.press(*"pPepppp")
        await pilot.pause()
        assert isinstance(app.screen, TaskDetail)
        assert not len(app._notifications)


async def test_no_other_key_of_the_dashboard_acts_in_the_detail(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, _, pilot):
        detail = app.screen
        for key in ("n", "r", "K", "A", "c", "slash", "question_mark", "exclamation_mark", "at", "1", "5", "z", "f8"):
            await pilot.press(key)
            assert app.screen is detail, key
        await pilot.press("ctrl+p", "colon", "ctrl+n", "ctrl+e", "ctrl+r", "f9")
        await pilot.pause()
        assert app.screen is detail
        assert not len(app._notifications)
        assert app.theme == "flow-dark"


async def test_ctrl_d_in_the_detail_asks_as_its_hint_says(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path) as (app, _, pilot):
        assert "^d end" in screen_text(app)
        await press(pilot, "tasks.cancel")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, TaskDetail))


async def test_a_shell_that_can_not_be_opened_leaves_the_detail_open(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path, command="true") as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_terminal)
        await press(pilot, "tasks.shell")
        await until(lambda: "a shell needs a running task" in screen_text(app))
        assert isinstance(app.screen, TaskDetail)


async def test_the_detail_names_and_does_no_change_while_read_only(tmp_path: Path) -> None:
    async with detail_of_a_running_task(tmp_path, read_only=True) as (app, dashboard, pilot):
        assert "l log" in screen_text(app)
        assert "s shell" not in screen_text(app)
        await press(pilot, "tasks.shell", "tasks.cancel", "tasks.pause")
        await pilot.pause()
        assert isinstance(app.screen, TaskDetail)
        assert not len(app._notifications)
        await press(pilot, "tasks.logs")
        await until(lambda: app.screen is dashboard and dashboard.panes.front == "logs")


async def test_the_users_own_keys_act_in_the_detail_and_stand_in_its_hints(tmp_path: Path) -> None:
    own = "dashboard: {keys: {tasks.logs: f4, tasks.spec: x, tasks.cancel: ctrl+x}}"
    async with detail_of_a_running_task(tmp_path, own) as (app, dashboard, pilot):
        text = screen_text(app)
        assert all(hint in text for hint in ("f4 log", "x copy as YAML", "^x end"))
        await pilot.press("l", "Y", "ctrl+d")
        await pilot.pause()
        assert isinstance(app.screen, TaskDetail)
        await press(pilot, "tasks.logs")
        await until(lambda: app.screen is dashboard and dashboard.panes.front == "logs")


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_every_hint_of_the_detail_is_in_view(tmp_path: Path, size: tuple[int, int]) -> None:
    async with detail_of_a_running_task(tmp_path, size=size) as (app, _, _pilot):
        hints = app.screen.query_one(".dialog-hints").region
        rows = screen_rows(app)[hints.y : hints.bottom]
        text = "".join("".join(row[hints.x : hints.right] for row in rows).split())
        for hint in ("j k scroll", "esc d close", "m metrics", "l log", "s shell", "^d end", "Y copy as YAML"):
            assert hint.replace(" ", "") in text


async def test_ctrl_p_opens_no_palette_over_the_help(tmp_path: Path) -> None:
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "app.help")
        await until(lambda: isinstance(app.screen, HelpScreen))
        await press(pilot, "app.palette")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
