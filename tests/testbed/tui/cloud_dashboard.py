"""The dashboard over a cloud where capacity has a price: the emulator, whose clock the tests drive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from testbed.screen_text import screen_text
from testbed.waiting import DEADLINE_S, until
from textual.pilot import Pilot
from textual.screen import Screen

from flow_core import TaskConfig
from flow_core.config import Config
from flow_core.config_file import load_config
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.settings import Settings
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.dialogs.field import Field
from flow_tui.panes.registry import PANES
from flow_tui.screens.dashboard import DashboardScreen

H100, REGION = "h100-80gb.sxm.8x", "us-central1-a"


class Seen(NamedTuple):
    """What a test looks at."""

    emulator: Emulator
    app: FlowApp
    dashboard: DashboardScreen
    pilot: Pilot[None]

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def until(self, holds: Callable[[], Any]) -> None:
        await until(holds, explain=lambda: f"not in time; on screen:\n{self.text}")

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def submit(self, **fields: Any) -> str:
        """Submits a task; returns its id once the cloud has placed it and the dashboard shows it."""
        usual = {"command": "true", "instance_type": H100, "region": REGION, "upload_code": False}
        config = TaskConfig.parse({"name": "train", "unique_name": False, "max_price_per_hour": 40, **usual, **fields})
        task = await self.app.fleet.flow("cloud").run(config)
        await self.news()
        await self.until(lambda: self.task(task.task_id) is not None)
        return str(task.task_id)

    def task(self, task_id: str) -> TaskRecord | None:
        return self.app.fleet.task(("cloud", task_id))

    async def news(self) -> None:
        """Asks every context until what is due now is known."""
        asked = len(self.calls("GET", "/v2/spot/bids"))
        self.app.fleet.refresh()
        await self.until(lambda: len(self.calls("GET", "/v2/spot/bids")) > asked)

    async def becomes(self, task_id: str, status: TaskStatus) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (task := self.task(task_id)) is None or task.status is not status:
                await self.emulator.control.advance(1)
                await self.news()
                await self.pilot.pause(0.02)

    def calls(self, method: str, path: str) -> list[Any]:
        return [call for call in self.emulator.calls if (call.method, call.path) == (method, path)]

    def notices(self) -> str:
        return "\n".join(notice.message for notice in self.app._notifications)


@asynccontextmanager
async def opened(
    folder: Path,
    size: tuple[int, int] = (120, 36),
    *,
    api_key: str = "",
    contexts: tuple[str, ...] = (),
    has_machines: bool = False,
) -> AsyncIterator[Seen]:
    soon = Settings(seconds_to_allocate=0.1, starting_s=0.1, stopping_s=0.1)
    nodes = (lambda place: Machines(place / "nodes")) if has_machines else None
    async with Emulator(soon, is_live=has_machines, nodes=nodes) as emulator:
        app = FlowApp(cloud_config(folder, emulator, api_key), contexts=contexts)
        async with app.run_test(size=size) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            seen = Seen(emulator, app, dashboard, pilot)
            await seen.until(lambda: all(state.answered_at or state.error for state in app.fleet.states))
            await seen.until(lambda: len(dashboard.query("#panes > *")) == len(PANES))
            yield seen


def cloud_config(folder: Path, emulator: Emulator, api_key: str = "") -> Config:
    file = folder / "config.yaml"
    where = f"api_url: '{emulator.url}', project: {emulator.project}"
    cloud = f"{{provider: mithril, api_key: {api_key or emulator.api_key}, {where}}}"
    file.write_text(f"contexts: {{cloud: {cloud}}}\n", encoding="utf-8")
    return load_config(file)


def fill(form: Screen[Any], **values: str) -> None:
    for field in form.query(Field):
        if field.key in values:
            field.fill(values[field.key])
