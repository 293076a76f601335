"""The tasks pane with more tasks than are listed at first."""

from __future__ import annotations

from collections.abc import Callable

from testbed.obedient import Archive
from testbed.obedient import archive as archive
from testbed.tui.dashboard import config as config
from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until

from flow_core.config import Config
from flow_tui.panes.tasks.pane import TasksPane

MakeConfig = Callable[[str], Config]
FAR = "contexts: {far: {provider: obedient}}\n"


async def test_the_title_counts_all_tasks_and_the_cursor_finds_more(archive: type[Archive], config: MakeConfig) -> None:
    async with opened(config(FAR)) as (_, dashboard, pilot):
        pane = dashboard.pane(TasksPane)
        await until(lambda: "501 of 2,300" in str(pane.border_title))
        pane.table.cursor_row = 480
        await until(lambda: "1,002 of 2,300" in str(pane.border_title), explain=lambda: str(pane.border_title))
        assert pane.table.cursor_row == 480
        await press(pilot, "tasks.last")
        await until(lambda: "Tasks 2,300" in str(pane.border_title))
        assert pane.selected is not None
        assert (pane.table.cursor_row, pane.selected.task_id) == (2_299, "old")
        await press(pilot, "tasks.cursor_up")
        assert pane.table.cursor_row == 2_298


async def test_a_filter_and_an_order_cover_all_tasks(archive: type[Archive], config: MakeConfig) -> None:
    async with opened(config(FAR)) as (_, dashboard, pilot):
        pane = dashboard.pane(TasksPane)
        await until(lambda: "501 of 2,300" in str(pane.border_title))
        await press(pilot, "tasks.filter", *"t-2288")
        await until(lambda: "1 of 2,300" in str(pane.border_title))
        assert [row.task_id for row in pane.table.rows] == ["t-2288"]
        await press(pilot, "escape", "tasks.sort")
        await until(lambda: len(pane.table.rows) == 2_300)
