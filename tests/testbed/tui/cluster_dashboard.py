"""The dashboard over a cluster with a queue, which takes every change and keeps it for the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testbed import screenshot_provider
from testbed.fixed_cluster import NAME, WHERE, FixedCluster, cluster_config
from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import providers
from flow_core.config import Context
from flow_tui.app import FlowApp
from flow_tui.screens.dashboard import DashboardScreen


class ClusterDashboard(NamedTuple):
    """The app, and what the cluster was asked to change."""

    app: FlowApp
    dashboard: DashboardScreen
    pilot: Pilot[None]

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def changes(self) -> list[tuple[Any, ...]]:
        return FixedCluster.changes

    @property
    def notices(self) -> str:
        return "\n".join(notice.message for notice in self.app._notifications)

    async def press(self, *keys: str) -> None:
        await press(self.pilot, *keys)

    async def until(self, holds: Callable[[], Any]) -> None:
        await until(holds, explain=lambda: f"not in time; {self.notices}; on screen:\n{self.text}")
        await self.pilot.pause()

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def closes(self) -> None:
        """Waits until no dialog is open."""
        await self.until(lambda: self.app.screen is self.dashboard)


@asynccontextmanager
async def opened(
    folder: Path, *others: str, size: tuple[int, int] = (120, 36), **options: Any
) -> AsyncIterator[ClusterDashboard]:
    """`others` are names of contexts of the fixed provider: "lab" and "cloud"."""
    FixedCluster.forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(providers.PROVIDERS, NAME, WHERE)
        patch.setitem(providers.PROVIDERS, screenshot_provider.NAME, screenshot_provider.WHERE)
        contexts = [Context(name, screenshot_provider.NAME, {}) for name in others]
        app = FlowApp(cluster_config(folder, *contexts), **options)
        async with app.run_test(size=size) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            await until(lambda: all(state.answered_at for state in app.fleet.states))
            await dashboard.panes.wait_until_all_loaded()
            yield ClusterDashboard(app, dashboard, pilot)
