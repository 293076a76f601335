"""Every screen of the dashboard over the screenshot provider and the fixed cluster, with the keys that lead there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testbed import fixed_cluster, screenshot_provider
from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core import providers
from flow_core.config import Config, Context
from flow_core.models.scheduling import StartEstimate
from flow_tui.app import FlowApp
from flow_tui.colour_depth import ColourDepth
from flow_tui.panes.registry import PANES
from flow_tui.screens.dashboard import DashboardScreen


class Screen(NamedTuple):
    """Keys and actions from the dashboard, and text that shows that it is complete."""

    keys: tuple[str, ...]
    shows: tuple[str, ...]


FIND_BID = ("tasks.filter", *"pretrain", "enter")
SCREENS = {
    "tasks": Screen((), ("tokenize-corpus", "step 61", "35.20")),
    "instances": Screen(("app.show_instances",), ("eu-west1-b", "2.20")),
    "instances-zoomed": Screen(("app.show_instances", "app.show_instances"), ("eu-west1-b", "17.60", "▁▁▂")),
    "volumes": Screen(("app.show_volumes",), ("checkpoints",)),
    "logs": Screen(("app.show_logs", "app.show_logs"), ("step 61", "data loader is slow")),
    "log-search": Screen(("app.show_logs", "logs.search", *"slow", "enter"), ("1 ",)),
    "shell": Screen(("app.show_shell",), ("No shell is open",)),
    "filtered": Screen(("tasks.filter", *"status:failed", "enter"), ("eval-mmlu", "1 of 6")),
    "nothing-matches": Screen(("tasks.filter", *"zzz", "enter"), ("esc",)),
    "detail": Screen(("tasks.detail",), ("torchrun", "node-7")),
    "metrics": Screen(("tasks.metrics",), ("A100", "4242")),
    "cloud-detail": Screen((*FIND_BID, "tasks.detail"), ("Allocated",)),
    "help": Screen(("app.help",), ("Keys",)),
    "new-task": Screen(("app.new_task",), ("New task",)),
    "new-task-refused": Screen(("app.new_task", "form.send"), ("must not be empty",)),
    "new-volume": Screen(("app.show_volumes", "volumes.create"), ("New volume",)),
    "end-task": Screen(("tasks.cancel",), ("SIGTERM",)),
    "delete-volume": Screen(("app.show_volumes", "volumes.cursor_down", "volumes.delete"), ("rm -r",)),
    "limit": Screen((*FIND_BID, "tasks.limit"), ("22.00",)),
    "copy": Screen(("tasks.copy",), ("Copy",)),
    "contexts": Screen(("app.attend",), ("lab", "cloud")),
    "audit-log": Screen(("app.action_log",), ("Audit log",)),
    "palette": Screen(("app.palette", *"sort"), ("sort",)),
    "notice": Screen(("tasks.filter", *"tokenize", "enter", "tasks.cancel"), ("has already ended",)),
}
FIND_PENDING = ("tasks.filter", *"pretrain", "enter")
SCRIPT = "#SBATCH --nodes=2\n#SBATCH --gres=gpu:9\nsrun train"
CLUSTER_SCREENS = {
    "tasks": Screen((), ("sweep-lr", "✔✔✖●●◌", "held by ana")),
    "all-users": Screen(("tasks.all_users",), ("all users", "protein", "ben")),
    "array": Screen(("tasks.filter", *"sweep", "enter", "tasks.detail"), ("8: exit 3",)),
    "instances": Screen(("app.show_instances", "app.show_instances", "instances.cursor_down"), ("drained", "17.60")),
    "volumes": Screen(("app.show_volumes", "app.show_volumes"), ("/work/project", "96%")),
    "hold": Screen((*FIND_PENDING, "tasks.hold"), ("scontrol hold",)),
    "signal": Screen((*FIND_PENDING, "app.back", "tasks.first", "tasks.signal"), ("SIGUSR1",)),
    "time-limit": Screen((*FIND_PENDING, "tasks.time_limit"), ("1d0h",)),
    "script": Screen(("app.new_task", "tab", *SCRIPT), ("at most 8 GPUs", "would start now")),
    "preview": Screen(("app.new_task", *["tab"] * 4, "submit.preview"), ("This would be sent", "YAML")),
}


class Showcase(NamedTuple):
    """The app, and a way through its screens."""

    app: FlowApp
    pilot: Pilot[Any]
    screens: Mapping[str, Screen]

    async def walk(self) -> AsyncIterator[str]:
        """The name of each screen in turn, while it is shown and complete."""
        for name, screen in self.screens.items():
            await press(self.pilot, *screen.keys)
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
        await press(self.pilot, *["escape"] * 3, "tasks.first")
        if self.app.fleet.watches_everyone:
            await press(self.pilot, "tasks.all_users")


@asynccontextmanager
async def showcase(
    size: tuple[int, int],
    folder: Path,
    *,
    theme: str = "flow-dark",
    colours: ColourDepth = ColourDepth.TRUE_COLOUR,
) -> AsyncIterator[Showcase]:
    """The dashboard with all its panes."""
    config = screenshot_provider.screenshot_config(folder)
    async with _open(config, size, SCREENS, "step 61", theme=theme, colours=colours) as opened:
        yield opened


@asynccontextmanager
async def cluster_showcase(size: tuple[int, int], folder: Path, *, theme: str = "flow-dark") -> AsyncIterator[Showcase]:
    """The dashboard over a cluster, and a cloud beside it."""
    config = fixed_cluster.cluster_config(folder, Context("cloud", screenshot_provider.NAME, {}))
    fixed_cluster.FixedCluster.forget()
    fixed_cluster.FixedCluster.estimates = {"cpu": StartEstimate(screenshot_provider.NOW, ("node-1",), "gpu")}
    async with _open(config, size, CLUSTER_SCREENS, "sweep-lr", theme=theme) as opened:
        yield opened


@asynccontextmanager
async def _open(
    config: Config, size: tuple[int, int], screens: Mapping[str, Screen], text: str, **options: Any
) -> AsyncIterator[Showcase]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(providers.PROVIDERS, screenshot_provider.NAME, screenshot_provider.WHERE)
        patch.setitem(providers.PROVIDERS, fixed_cluster.NAME, fixed_cluster.WHERE)
        patch.setenv("TEXTUAL_ANIMATIONS", "none")
        app = FlowApp(config, **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            dashboard = app.screen
            assert isinstance(dashboard, DashboardScreen)
            await until(lambda: all(state.answered_at for state in app.fleet.states))
            await until(lambda: len(dashboard.query("#panes > *")) == len(PANES))
            await dashboard.panes.wait_until_all_loaded()
            opened = Showcase(app, pilot, screens)
            await opened.shows("dashboard", text)
            yield opened
