"""One search in the logs of all tasks that the tasks pane shows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from testbed.command_lines import read_command_line
from testbed.hosts_lab import Lab
from testbed.hosts_lab import running as running_there
from testbed.hosts_lab import submit as submit_there
from testbed.sshd import list_children
from testbed.tui.dashboard import opened
from testbed.tui.log_desk import marked_row
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config import Config, Context
from flow_tui.app import FlowApp
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.logs.search_screen import SearchLogsScreen
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.widgets.log.hit_rows import RowRole

DDP = 'echo start; test $NODE_RANK = 1 || sleep 60; echo "CUDA error: lost"; echo end; exit 1'


async def run(name: str, command: str, *, ends: bool = True, **fields: Any) -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig.parse({"name": name, "command": command, **fields}))
        if ends:
            await task.wait(20)


class Found:
    """The search on the screen of the dashboard."""

    def __init__(self, app: FlowApp, dashboard: DashboardScreen, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.tasks = dashboard.pane(TasksPane)
        self.logs = dashboard.pane(LogsPane)

    @property
    def screen(self) -> SearchLogsScreen:
        assert isinstance(self.app.screen, SearchLogsScreen)
        return self.app.screen

    async def open(self) -> None:
        await press(self.pilot, "app.search_logs")
        await until(lambda: isinstance(self.app.screen, SearchLogsScreen))

    async def search(self, text: str) -> None:
        await press(self.pilot, *text, "enter")
        await until(lambda: not self.screen.row.is_open)

    def rows(self) -> list[str]:
        view = self.screen.view
        return [row for y in range(view.size.height) if (row := view.render_line(y).text.rstrip())]

    def titles(self) -> list[str]:
        """The titles of the logs with a match, each without the last part of the task's name, which is random."""
        words = [row.text.split() for row in self.screen.view._rows if row.role is RowRole.TITLE]
        return [" ".join([name.split("-")[0], *rest]) for name, *rest in words]

    def status(self) -> str:
        return str(self.screen.status.render())


@asynccontextmanager
async def search_screen(config: Config | None = None, **options: Any) -> AsyncIterator[Found]:
    async with opened(config, **options) as (app, dashboard, pilot):
        await dashboard.panes.wait_until_all_loaded()
        found = Found(app, dashboard, pilot)
        await until(lambda: found.tasks.selected)
        yield found


def search_processes() -> list[int]:
    return [pid for pid in list_children(os.getpid()) if b"logs.search.worker" in read_command_line(pid)]


async def test_lines_are_grouped_by_log_and_enter_opens_one_in_the_logs_pane() -> None:
    await run("train", DDP, num_instances=2)
    await run("quiet", "echo nothing")
    await run("serve", "echo one; echo 'no CUDA error'; echo two", retries={"max_retries": 1})
    async with search_screen() as found:
        await found.open()
        await found.search("cuda error")
        await until(lambda: found.status() == "cuda error  2 lines in 2 of 4 logs", explain=found.status)
        assert found.titles() == ["serve ✔ completed", "train rank 1 ✖ failed"]
        assert found.rows()[1:] == [
            "  one",
            "▸ no CUDA error",
            "  two",
            *[found.rows()[4]],
            "  start",
            "  CUDA error: lost",
            "  end",
        ]
        await press(found.pilot, "logs.next_match", "enter")
        await until(lambda: marked_row(found.logs) == "CUDA error: lost")
        assert "  rank 1  " in str(found.logs.border_title)
        assert found.logs.has_focus_within
        await found.open()
        await until(lambda: found.status() == "cuda error  2 lines in 2 of 4 logs")
        assert found.screen.view.position == (2, 2)
        await press(found.pilot, "logs.search", "escape")
        view = found.screen.view
        await found.pilot.click(view, offset=(5, 3), times=2)
        await until(lambda: marked_row(found.logs) == "no CUDA error")
    await until(lambda: not search_processes())


async def test_the_filter_chooses_the_tasks_and_what_running_ones_write_appears_above_the_cursor(home: Path) -> None:
    await run("train-old", "echo needle old; echo end")
    await run("other", "echo needle hidden")
    command = f"echo needle 1; until [ -e {home}/go ]; do sleep 0.02; done; echo needle 2; sleep 300"
    await run("train-new", command, ends=False)
    async with search_screen() as found:
        found.tasks.set_filter("name:train")
        await until(lambda: len(found.tasks.table.rows) == 2)
        await found.open()
        await found.search("needle")
        await until(lambda: found.status() == "needle  2 lines in 2 of 2 logs")
        await press(found.pilot, "logs.scroll_down")
        assert "▸ needle old" in found.rows()
        (home / "go").touch()
        await until(lambda: found.status() == "needle  3 lines in 2 of 2 logs")
        assert found.screen.view.position == (3, 3)
        assert "▸ needle old" in found.rows()
        assert found.rows()[1:3] == ["  needle 1", "  needle 2"]
        await found.pilot.press("r")
        await until(lambda: found.screen.view.position == (1, 3))
        await press(found.pilot, "logs.follow", "enter")
        await until(lambda: marked_row(found.logs) == "needle old")
        assert found.tasks.filter_text == "name:train"
        found.tasks.set_filter("name:nobody")
        await until(lambda: not found.tasks.table.rows)
        await found.open()
        await until(lambda: found.rows()[:1] == ["  The tasks pane shows no task, so there is no log to search."])


async def test_a_wrong_pattern_is_explained_and_closing_the_screen_ends_one_that_would_take_for_ever() -> None:
    await run("train", "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
    async with search_screen(size=(80, 24)) as found:
        await found.open()
        assert found.rows()[0] == "  Type what to find. The search covers the logs of 1 task,"
        await press(found.pilot, *"b(")
        await until(lambda: "not a regular expression" in found.status())
        await press(found.pilot, "enter")
        assert found.screen.row.is_open
        await found.pilot.press("ctrl+r")
        await until(lambda: not found.screen.status.display)
        await found.pilot.press("enter")
        await until(lambda: found.rows() == ["  No line matches."])
        await press(found.pilot, "logs.search")
        await found.pilot.press("up")
        assert found.screen.row.input.value == "b("
        await found.pilot.press("ctrl+u")
        await found.search("(a+)+$")
        await until(search_processes)
        assert found.status().endswith("searching…")
        await found.pilot.press("escape")
        await until(lambda: not search_processes(), within_s=5)
        assert all(worker.is_finished for worker in found.app.workers if worker.group == "search")


@pytest.mark.needs("sshd")
async def test_logs_on_other_machines_are_searched_there_or_named_with_the_reason(tmp_path: Path) -> None:
    await run("here", "echo needle here")
    lab = Lab(tmp_path)
    try:
        provider = lab.start()
        await running_there(provider, await submit_there(provider, "echo needle there; sleep 300", name="there"))
        config = Config(tmp_path / "none.yaml", (Context("local", "local"), lab.context))
        async with search_screen(config) as found:
            await until(lambda: len(found.tasks.table.rows) == 2)
            await found.open()
            await found.search("needle")
            await until(lambda: found.status() == "needle  2 lines in 2 of 2 logs")
            assert sorted(title.split()[1] for title in found.titles()) == ["lab", "local"]
            await press(found.pilot, "logs.search")
            await found.search("\\w+")
            await until(lambda: found.status().startswith("\\w+  ") and "not searched" in "".join(found.rows()))
            assert "there" in found.rows()[-1]
            assert "a pattern without fixed text" in found.rows()[-1]
    finally:
        await lab.close()
