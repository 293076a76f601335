"""Opens the dashboard for a picture, waits for what the picture is to show, and saves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from flow_core.config import Config
from flow_core.config_file import load_config
from flow_tui.app import FlowApp

HERE = Path(__file__).parent
DEADLINE_S = 60.0


@asynccontextmanager
async def dashboard(
    shows: str, size: tuple[int, int] = (120, 36), config: Config | None = None
) -> AsyncIterator[Pilot[object]]:
    """The dashboard once it shows this text."""
    app = FlowApp(config or load_config())
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, shows)
        yield pilot


async def until_shown(pilot: Pilot[object], text: str) -> None:
    shown = text.replace(" ", "&#160;")
    await until(pilot, lambda: shown in pilot.app.export_screenshot(), repr(text))


async def until(pilot: Pilot[object], holds: Callable[[], bool], what: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not holds():
        if loop.time() > deadline:
            raise SystemExit(f"{what} did not appear in {DEADLINE_S:g} s")
        await pilot.pause(0.1)


def save(pilot: Pilot[object], name: str) -> None:
    file = HERE / f"{name}.svg"
    file.write_text(pilot.app.export_screenshot(title="flow-tui"), encoding="utf-8")
    print(file.relative_to(HERE.parent))
