"""The logs pane of the dashboard, with the log of a task that has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.tui.press import press
from testbed.waiting import DEADLINE_S, until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen


@asynccontextmanager
async def logs_of(*others: dict[str, Any], **fields: Any) -> AsyncIterator[tuple[LogsPane, Pilot[None]]]:
    """The logs pane in front, with the log of a task that has ended. `others` ended before it."""
    async with AsyncFlow("local") as flow:
        for config in (*others, {"name": "train", **fields}):
            await (await flow.run(TaskConfig.parse(config))).wait(DEADLINE_S)
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        await until(lambda: dashboard.pane(TasksPane).selected)
        await dashboard.panes.wait_until_all_loaded()
        pane = dashboard.query_one(LogsPane)
        await press(pilot, "app.show_logs")
        await until(lambda: pane.has_focus_within and pane.border_subtitle)
        yield pane, pilot


def first_line(pane: LogsPane) -> str:
    return pane.view.render_line(0).text.strip()
