"""The dashboard with the logs pane in front, over the log of a task that has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen


@asynccontextmanager
async def logs_of(
    *, size: tuple[int, int] = (120, 36), read_only: bool = False, **fields: Any
) -> AsyncIterator[tuple[LogsPane, Pilot[None]]]:
    """Runs a task named "train" until it ends, and yields the pane with its log."""
    async with AsyncFlow("local") as flow:
        await (await flow.run(TaskConfig.parse({"name": "train", **fields}))).wait(20)
    app = FlowApp(load_config(), read_only=read_only)
    async with app.run_test(size=size) as pilot:
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        await until(lambda: dashboard.pane(TasksPane).selected)
        await dashboard.panes.wait_until_all_loaded()
        pane = dashboard.query_one(LogsPane)
        await press(pilot, "app.show_logs")
        await until(lambda: pane.has_focus_within and pane.border_subtitle)
        yield pane, pilot


def shown_rows(pane: LogsPane) -> list[str]:
    """The rows of the log, without their marks and the scroll bar."""
    return [pane.view.render_line(y).text[1:-1].rstrip() for y in range(pane.view.size.height)]


def marked_row(pane: LogsPane) -> str:
    """The row of the current line; "" if it is not in view."""
    rows = [pane.view.render_line(y).text for y in range(pane.view.size.height)]
    return next((row[1:-1].rstrip() for row in rows if row.startswith("▸")), "")
