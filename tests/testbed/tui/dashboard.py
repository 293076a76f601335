"""The whole dashboard over a configuration, driven by a pilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core.config import Config
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.registry import PANES
from flow_tui.screens.dashboard import DashboardScreen


@asynccontextmanager
async def opened(
    config: Config | None = None, size: tuple[int, int] = (120, 36), **options: Any
) -> AsyncIterator[tuple[FlowApp, DashboardScreen, Pilot[None]]]:
    app = FlowApp(config or load_config(), **options)
    async with app.run_test(size=size) as pilot:
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        await until(lambda: all(state.answered_at is not None for state in app.fleet.states))
        await until(lambda: len(dashboard.query("#panes > *")) == len(PANES))
        yield app, dashboard, pilot


def notices(app: FlowApp) -> list[str]:
    return [notice.message for notice in app._notifications]


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Config]:
    """Reads a config file with this text."""

    def write(text: str) -> Config:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return load_config(file)

    return write
