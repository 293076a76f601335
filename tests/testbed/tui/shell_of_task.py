"""The dashboard with a shell open in a running task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.tui.dashboard import opened
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config import Config
from flow_tui.app import FlowApp
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen


@asynccontextmanager
async def in_a_shell(config: Config | None = None) -> AsyncIterator[tuple[FlowApp, DashboardScreen, Pilot[None]]]:
    async with AsyncFlow("local") as flow, opened_task(flow), opened(config) as (app, dashboard, pilot):
        await until(lambda: dashboard.pane(TasksPane).selected and dashboard.pane(TasksPane).selected.is_running)
        await press(pilot, "tasks.shell")
        await until(
            lambda: (
                dashboard.pane(ShellPane).front
                and dashboard.pane(ShellPane).front.has_focus
                and dashboard.pane(ShellPane).front.is_live
            )
        )
        yield app, dashboard, pilot
        await dashboard.pane(ShellPane).close()


@asynccontextmanager
async def opened_task(flow: AsyncFlow) -> AsyncIterator[Any]:
    task = await flow.run(TaskConfig(name="train", command="sleep 300"), wait=True)
    yield task
    await task.cancel()
