"""Every screen of the dashboard over the fixed provider, each with the keys that lead there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testbed.fixed_provider import NAME, WHERE, fixed_config
from testbed.screen_text import screen_text
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import providers
from flow_tui.app import FlowApp
from flow_tui.colour_depth import ColourDepth
from flow_tui.panes.registry import PANES
from flow_tui.screens.dashboard import DashboardScreen


class Screen(NamedTuple):
    """Keys from the dashboard, and text that shows that it is complete."""

    keys: tuple[str, ...]
    shows: tuple[str, ...]


SCREENS = {
    "tasks": Screen((), ("tokenize-corpus", "step 61", "35.20")),
    "instances": Screen(("2",), ("eu-west1-b", "2.20")),
    "instances-zoomed": Screen(("2", "2"), ("eu-west1-b", "17.60", "▁▁▂")),
    "volumes": Screen(("3",), ("checkpoints",)),
    "logs": Screen(("4", "4"), ("step 61", "data loader is slow")),
    "log-search": Screen(("4", *"/slow", "enter"), ("1 ",)),
    "shell": Screen(("5",), ("no shell",)),
    "filtered": Screen((*"/status:failed", "enter"), ("eval-mmlu", "1 of 6")),
    "nothing-matches": Screen((*"/zzz", "enter"), ("esc",)),
    "detail": Screen(("d",), ("torchrun", "node-7")),
    "metrics": Screen(("m",), ("A100", "4242")),
    "cloud-detail": Screen((*"/pretrain", "enter", "d"), ("Allocated",)),
    "help": Screen(("question_mark",), ("Keys",)),
    "new-task": Screen(("ctrl+n",), ("New task",)),
    "new-task-refused": Screen(("ctrl+n", "ctrl+s"), ("is empty",)),
    "new-volume": Screen(("3", "c"), ("New volume",)),
    "end-task": Screen(("ctrl+d",), ("SIGTERM",)),
    "delete-volume": Screen(("3", "j", "ctrl+d"), ("rm -r",)),
    "limit": Screen((*"/pretrain", "enter", "e"), ("22.00",)),
    "copy": Screen(("y",), ("Copy",)),
    "contexts": Screen(("exclamation_mark",), ("lab", "cloud")),
    "audit-log": Screen(("at",), ("Audit log",)),
    "palette": Screen(("ctrl+p", *"sort"), ("sort",)),
    "notice": Screen((*"/tokenize", "enter", "ctrl+d"), ("has ended",)),
}


class Showcase(NamedTuple):
    """The app, and a way through its screens."""

    app: FlowApp
    pilot: Pilot[Any]

    async def walk(self) -> AsyncIterator[str]:
        """The name of each screen in turn, while it is shown and complete."""
        for name, screen in SCREENS.items():
            await self.pilot.press(*screen.keys)
            await self.shows(name, *screen.shows)
            yield name
            await self._leave()

    async def shows(self, name: str, *texts: str) -> None:
        def explain() -> str:
            return f"{name}: {texts}\n{screen_text(self.app)}"

        def is_complete() -> bool:
            text = screen_text(self.app)  # a dialog may be there before the dashboard behind it
            return text.startswith(" flo") and all(part in text for part in texts)

        await until(is_complete, explain=explain)
        await self.pilot.pause()

    async def _leave(self) -> None:
        """Back to the first row of the tasks, with nothing on top."""
        while not isinstance(self.app.screen, DashboardScreen):
            await self.pilot.press("escape")
        self.app.clear_notifications()
        await self.pilot.press(*["escape"] * 3, "g")


@asynccontextmanager
async def showcase(
    size: tuple[int, int],
    folder: Path,
    *,
    theme: str = "flow-dark",
    colours: ColourDepth = ColourDepth.TRUE_COLOUR,
) -> AsyncIterator[Showcase]:
    """The dashboard with all its panes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(providers.PROVIDERS, NAME, WHERE)
        patch.setenv("TEXTUAL_ANIMATIONS", "none")
        app = FlowApp(fixed_config(folder), theme=theme, colours=colours)
        async with app.run_test(size=size, notifications=True) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            await until(lambda: all(state.answered_at for state in app.fleet.states))
            await until(lambda: len(dashboard.query("#panes > *")) == len(PANES))
            await dashboard.panes.all_loaded()
            opened = Showcase(app, pilot)
            await opened.shows("dashboard", "step 61")
            yield opened
