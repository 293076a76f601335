"""Everything that shows "the selected task" follows the row under the cursor, however the cursor got there."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.obedient import Obedient
from testbed.provider_registry import register
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.agent.spool import STDOUT, SpoolFiles, SpoolWriter
from flow_core.config import Config, Context
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.widgets.bar import Bar
from flow_tui.widgets.table import ResourceTable


class Seen:
    """The dashboard over three tasks: "train" runs, "quick" has failed, "other" has completed."""

    def __init__(self, dashboard: DashboardScreen, pilot: Pilot[None]) -> None:
        self.dashboard = dashboard
        self.pilot = pilot
        self.table = dashboard.pane(TasksPane).table

    @property
    def selected(self) -> str:
        return "" if self.table.selected is None else self.table.selected.name

    def shown(self) -> tuple[str, str]:
        """Whose log the title of the pane names, and the first words of the log in it."""
        pane = self.dashboard.query_one(LogsPane)
        title = str(pane.border_title).removeprefix("Log").split()
        return (title[0] if title else "", pane.view.render_line(0).text.strip())

    async def shows_the_log_of(self, name: str) -> None:
        assert self.selected == name
        await until(lambda: self.shown() == (name, f"words of {name}"), explain=self.shown)


@asynccontextmanager
async def three_tasks(size: tuple[int, int] = (120, 36)) -> AsyncIterator[Seen]:
    async with AsyncFlow("local") as flow:
        commands = {"train": "sleep 600", "quick": "exit 3", "other": "true"}
        for name, command in commands.items():
            config = TaskConfig(name=name, unique_name=False, command=f"echo words of {name}; {command}")
            task = await flow.run(config)
            if name != "train":
                await task.wait(30)
    async with opened(size=size) as (_, dashboard, pilot):
        await until(lambda: len(dashboard.pane(TasksPane).table.rows) == 3)
        await dashboard.panes.wait_until_all_loaded()
        yield Seen(dashboard, pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=str)
async def test_the_log_follows_the_filter(size: tuple[int, int]) -> None:
    async with three_tasks(size) as seen:
        await seen.shows_the_log_of("other")
        await press(seen.pilot, "tasks.filter", *"status:failed", "enter")
        await until(lambda: len(seen.table.rows) == 1)
        await seen.shows_the_log_of("quick")
        await seen.pilot.press("escape")
        await until(lambda: len(seen.table.rows) == 3)
        await seen.shows_the_log_of("quick")
        await press(seen.pilot, "tasks.filter", *"nothing like it", "enter")
        await until(lambda: seen.shown()[1] == "No task is selected.", explain=seen.shown)


async def test_the_log_follows_the_cursor_its_click_and_a_sorted_column() -> None:
    async with three_tasks() as seen:
        await press(seen.pilot, "tasks.last")
        await seen.shows_the_log_of("train")
        await seen.pilot.click(ResourceTable, offset=(4, 2))
        await seen.pilot.pause()
        await seen.shows_the_log_of("quick")
        await seen.pilot.click(ResourceTable, offset=(4, 0))
        await until(lambda: [row.name for row in seen.table.rows] == ["other", "quick", "train"])
        await seen.shows_the_log_of("quick")
        await press(seen.pilot, "tasks.first")
        await seen.shows_the_log_of("other")


async def test_the_log_and_the_keys_follow_when_the_selected_row_vanishes() -> None:
    async with three_tasks() as seen:
        await press(seen.pilot, "tasks.last")
        await seen.shows_the_log_of("train")
        fleet = seen.dashboard.services.fleet
        state = fleet.states[0]
        left = tuple(task for task in state.tasks if task.name == "quick")
        seen.dashboard.pane(TasksPane).show(left)
        await seen.shows_the_log_of("quick")
        footer = seen.dashboard.query_one("#footer", Bar)
        style = {piece.text: piece.style for piece in footer.left}
        assert style["s shell"] == "$text-disabled"
        assert style["l logs"] == "$text"


class SlowLogs(Obedient):
    """A provider that opens the log of "slow" only when the test allows it."""

    answers = tuple(TaskRecord("far", name, name, TaskStatus.RUNNING) for name in ("quick", "slow"))
    has_writer_times = True
    folder: Path
    is_ready: asyncio.Event

    @property
    def logs(self) -> Any:
        return self

    async def open(self, address: LogId) -> SpoolFiles:
        if address.task_id == "slow":
            await self.is_ready.wait()
        files = SpoolFiles.at(self.folder / address.task_id)
        SpoolWriter(files, lambda: time.time_ns() // 1000).append(STDOUT, f"words of {address.task_id}\n".encode())
        return files

    async def is_complete(self, address: LogId) -> bool:
        return True


async def test_no_other_tasks_log_is_shown_while_a_log_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, "slow", SlowLogs)
    SlowLogs.folder, SlowLogs.is_ready = tmp_path, asyncio.Event()
    async with opened(Config(tmp_path / "config.yaml", (Context("far", "slow"),))) as (_, dashboard, pilot):
        seen = Seen(dashboard, pilot)
        await until(lambda: len(seen.table.rows) == 2)
        await dashboard.panes.wait_until_all_loaded()
        await seen.shows_the_log_of("quick")
        await press(pilot, "tasks.last")
        await until(lambda: seen.shown() == ("slow", "No output yet."), explain=seen.shown)
        assert dashboard.services.selection.log_files is None
        SlowLogs.is_ready.set()
        await seen.shows_the_log_of("slow")


class CountedLogs(SlowLogs):
    """A provider of many tasks that counts how often a log was opened."""

    answers = tuple(TaskRecord("far", f"task-{n}", f"task-{n}", TaskStatus.RUNNING) for n in range(12))
    opened = 0

    async def open(self, address: LogId) -> SpoolFiles:
        type(self).opened += 1
        return await super().open(address)


def make_log_id(task: TaskRecord) -> LogId:
    return LogId(task.context, task.task_id)


async def test_a_key_that_is_held_opens_only_the_first_log_and_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, "counted", CountedLogs)
    CountedLogs.folder, CountedLogs.opened = tmp_path, 0
    async with opened(Config(tmp_path / "config.yaml", (Context("far", "counted"),))) as (_, dashboard, pilot):
        seen = Seen(dashboard, pilot)
        await until(lambda: len(seen.table.rows) == len(CountedLogs.answers))
        await dashboard.panes.wait_until_all_loaded()
        await seen.shows_the_log_of("task-0")
        CountedLogs.opened, pressed = 0, [time.monotonic()]
        for task in CountedLogs.answers[1:]:
            seen.table.action_cursor_down()
            await until(lambda task=task: dashboard.query_one(LogsPane).log_id == make_log_id(task))  # type: ignore[misc]
            pressed.append(time.monotonic())
        await seen.shows_the_log_of("task-11")
        rests = sum(after - before > 0.1 for before, after in itertools.pairwise(pressed))  # on a busy machine
        assert CountedLogs.opened <= 2 + rests


class RunningLogs(SlowLogs):
    """A provider that counts how often it is asked whether a log is complete."""

    answers = (TaskRecord("far", "task-0", "task-0", TaskStatus.RUNNING),)
    asked = 0
    is_over = False

    async def is_complete(self, address: LogId) -> bool:
        type(self).asked += 1
        return self.is_over


async def test_whether_a_log_is_complete_is_asked_rarely_until_the_task_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, "running", RunningLogs)
    RunningLogs.folder, RunningLogs.calls, RunningLogs.asked = tmp_path, 0, 0
    async with opened(Config(tmp_path / "config.yaml", (Context("far", "running"),))) as (_, dashboard, pilot):
        seen = Seen(dashboard, pilot)
        await dashboard.panes.wait_until_all_loaded()
        await seen.shows_the_log_of("task-0")
        began, polls = time.monotonic(), RunningLogs.calls
        await until(lambda: RunningLogs.calls > polls + 100)  # the fleet polls every 10 ms
        assert RunningLogs.asked <= 1 + (time.monotonic() - began) / 5
        RunningLogs.answers = (replace(RunningLogs.answers[0], status=TaskStatus.COMPLETED),)
        RunningLogs.is_over = True
        await until(lambda: dashboard.query_one(LogsPane).view._follower.is_over)


class PulledLogs(SlowLogs):
    """A provider whose logs have the times at which they arrived."""

    has_writer_times = False


async def test_the_times_of_a_log_from_another_machine_are_marked_as_arrivals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, "pulled", PulledLogs)
    PulledLogs.folder, PulledLogs.is_ready = tmp_path, asyncio.Event()
    async with opened(Config(tmp_path / "config.yaml", (Context("far", "pulled"),))) as (_, dashboard, pilot):
        seen = Seen(dashboard, pilot)
        await until(lambda: len(seen.table.rows) == 2)
        await dashboard.panes.wait_until_all_loaded()
        await seen.shows_the_log_of("quick")
        view = dashboard.query_one(LogsPane).view
        view.action_toggle_time()
        await until(lambda: view.render_line(0).text.startswith(" ~"))
