"""Pruning in the dashboard: which tasks, what would go, and only then their removal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, Task
from flow_core.audit import AuditLog
from flow_core.config import state_dir
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.field import Field
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.tasks.pruning_form import PruningForm


@asynccontextmanager
async def opened(tasks: int, **options: Any) -> AsyncIterator[tuple[FlowApp, Pilot[None]]]:
    app = FlowApp(load_config(), **options)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: len(app.screen.pane(TasksPane).table.rows) == tasks)
        yield app, pilot


async def ended(command: str, name: str) -> Task:
    """One whose supervisor has left."""
    async with AsyncFlow("local") as flow:
        task = await flow.submit(command, name=name, unique_name=False, wait=True)

        async def is_free() -> bool:
            return not (await flow.plan_pruning(keep_last=0)).refused

        await until(is_free)
        return task


async def shows(app: FlowApp, *texts: str) -> None:
    await until(
        lambda: all(text in screen_text(app) for text in texts), explain=lambda: f"not in time:\n{screen_text(app)}"
    )


async def test_it_says_what_goes_asks_and_only_then_removes_it_and_a_task_with_files_when_it_is_named() -> None:
    first, second = await ended("true", "first-one"), await ended("true", "second-one")
    made = await ended("echo x > $FLOW_TASK_DIR/out.pt", "with-weights")
    async with opened(3) as (app, pilot):
        await press(pilot, "tasks.prune")
        await until(lambda: isinstance(app.screen, PruningForm))
        await press(pilot, "form.send")
        await shows(app, "No ended task in local matches.")
        await press(pilot, "backspace", "backspace", "0", "form.send")
        await until(lambda: isinstance(app.screen, Confirm))
        await shows(app, "Prune 2 tasks of local?", "2 tasks, ", "on disk", "The oldest is first-one: it ended ")
        await shows(
            app,
            "Kept, because they made files",
            f"with-weights  {made.task_id}",
            "out.pt",
            "Press y to prune 2 tasks",
        )
        await pilot.press("enter")  # which goes back, to what was typed
        await until(lambda: isinstance(app.screen, PruningForm))
        assert app.screen.entered["days"] == "0"
        assert len(app.fleet.tasks) == 3
        await press(pilot, "form.send")
        await until(lambda: isinstance(app.screen, Confirm))
        await press(pilot, "confirm.agree")
        await until(lambda: [task.task_id for task in app.fleet.tasks] == [made.task_id])
        await until(lambda: any(one.message.startswith("pruned 2 tasks, ") for one in app._notifications))
        action = AuditLog().read_recent()[0]
        assert (action.verb, action.target) == ("prune", f"{first.task_id} {second.task_id}")
        await prune_by_name(app, pilot, made)


async def prune_by_name(app: FlowApp, pilot: Pilot[None], made: Task) -> None:
    """Removes the only task, which holds files that it made."""
    await press(pilot, "tasks.prune")
    await until(lambda: isinstance(app.screen, PruningForm))
    await press(pilot, "backspace", "backspace", "0", "form.send")
    await shows(app, "These tasks made files. To prune them, enter their names:", made.task_id, "out.pt")
    await press(pilot, "tab", "tab", *"no-such", "form.send")
    await shows(app, "no task is called no-such")
    await press(pilot, *["backspace"] * 7, *"with-weights", "form.send")
    await until(lambda: isinstance(app.screen, Confirm))
    await shows(app, "You named 1 task with files", "the files that the named tasks made")
    await press(pilot, "confirm.agree")
    await until(lambda: not app.fleet.tasks)
    await until(lambda: not [*state_dir().glob("local/*/contexts/local/tasks/*")])


async def test_what_can_not_be_meant_is_said_under_its_field(ask: Any) -> None:
    async def plan(*_: Any) -> Any:
        raise AssertionError("nothing is asked for")

    async with ask(PruningForm(("local",), plan, {"days": "", "keep": ""})) as question:
        fields = {field.key: field for field in question.app.screen.query(Field)}
        for days, keep, expected in (("soon", "", "such as 30"), ("", "-1", "such as 100"), ("", "", "enter an age")):
            fields["days"].fill(days)
            fields["keep"].fill(keep)
            await question.press("form.send")
            await question.shows(expected)
        await question.press("escape")
        assert question.answers == [None]


async def test_read_only_offers_no_pruning() -> None:
    await ended("true", "first-one")
    async with opened(1, read_only=True) as (app, pilot):
        await press(pilot, "tasks.prune")
        await pilot.pause()
        assert len(app.screen_stack) == 1
