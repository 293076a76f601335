"""Uses what docs/extending.md adds, in the dashboard of the copy: `python -m testbed.extended_dashboard a-pane ...`.

The working directory is the copy. The dashboard shows one context, of the toy provider.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from testbed.screen_text import screen_rows, screen_text
from testbed.waiting import until
from textual.pilot import Pilot

import flow_core
import flow_tui
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.screens.dashboard import DashboardScreen

CONFIG = """
default: toy
contexts:
  toy: {provider: toy}
dashboard:
  theme: flow-light
"""
RUNNING_MAX = 16
REFUSED = "16 tasks are running, and more are not allowed; cancel one, or wait until one ends"


class Dashboard:
    """The dashboard over the toy context."""

    def __init__(self, app: FlowApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.press = pilot.press

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in screen_text(self.app))

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition, explain=lambda: f"not in time; on screen:\n{screen_text(self.app)}")

    @property
    def notices(self) -> set[str]:
        return {notice.message for notice in self.app._notifications}

    async def submit(self, command: str) -> None:
        await self.app.fleet.flow("toy").run(command)
        self.app.fleet.refresh()


@asynccontextmanager
async def open_dashboard() -> AsyncIterator[Dashboard]:
    file = Path("config.yaml")
    file.write_text(CONFIG, encoding="utf-8")
    app = FlowApp(load_config(file), contexts=("toy",))
    async with app.run_test(size=(120, 36)) as pilot:
        screen = app.screen
        assert isinstance(screen, DashboardScreen)
        await screen.panes.wait_until_all_loaded()
        yield Dashboard(app, pilot)


async def use_error() -> None:
    """The SDK raises the error and shows it as one sentence; the submit form shows the same one."""
    async with open_dashboard() as shown:
        flow = shown.app.fleet.flow("toy")
        tasks = [await flow.run("exec sleep 100") for _ in range(RUNNING_MAX)]
        try:
            await _check_refusal(flow)
            await shown.press("ctrl+n")
            await shown.shows("New task")
            await shown.press("tab", *"true", "ctrl+s")
            await shown.shows("16 tasks are running, and more are not allowed")
        finally:
            for task in tasks:
                await flow.cancel(task.task_id)


async def _check_refusal(flow: flow_core.AsyncFlow) -> None:
    with pytest.raises(flow_core.CapacityError) as refused:
        await flow.run("true")
    assert refused.type is getattr(flow_core, "TooManyTasks", None)
    assert str(refused.value) == REFUSED


async def use_pane() -> None:
    """The pane is in view with its digit, its facet is polled, and its action runs until it can't be done."""
    async with open_dashboard() as shown:
        await shown.press("6")
        await shown.shows("6 Notes")
        await shown.until(lambda: shown.app.query_one("#notes").has_focus and "volumes" in shown.app.fleet.watched)
        await shown.press("x")
        await shown.shows("note 1: 0 volumes")
        await shown.shows("x add")
        await shown.press("x", "x")
        await shown.until(lambda: "the notes pane is full" in shown.notices)
        await shown.press("question_mark", *"notes.add")
        await shown.shows("Not now: the notes pane is full")


async def use_action() -> None:
    """The key of the action runs it, help lists it, and without a task it says why it can't be done."""
    async with open_dashboard() as shown:
        await shown.press("c")
        await shown.until(lambda: any(text.startswith("no task is selected") for text in shown.notices))
        await shown.submit("echo copied by a key")
        await shown.shows("echo copied by a key")
        await shown.press("c")
        await shown.until(lambda: shown.app.clipboard == "echo copied by a key")
        await shown.press("question_mark", *"copy_command")
        await shown.shows("Copy the command of this task")


async def use_column() -> None:
    """The table shows the header and the cell, sorts by the column, and filters by it."""
    async with open_dashboard() as shown:
        await shown.submit("exit 3")
        await shown.submit("exit 0")
        await shown.until(lambda: _cells(shown.app, "EXIT") == ["0", "3"])
        await shown.press("o", "o", "o", "O")
        await shown.until(lambda: _cells(shown.app, "EXIT") == ["3", "0"])
        await shown.press(*"/exit:3", "enter")
        await shown.until(lambda: _cells(shown.app, "EXIT") == ["3"])


async def use_theme() -> None:
    """The theme loads without a problem, and f9 chooses it."""
    async with open_dashboard() as shown:
        assert shown.app.problems == ()
        assert shown.app.theme == "flow-light"
        await shown.press("f9")
        await shown.until(lambda: shown.app.theme == "sea")
        await shown.until(lambda: shown.app.screen.styles.background.hex.lower() == "#0b1622")


def _cells(app: FlowApp, title: str) -> list[str]:
    """The numbers below the title of a right-aligned column of the first table; [] without the column."""
    rows = screen_rows(app)
    for number, row in enumerate(rows):
        if title in row:
            end = row.index(title) + len(title)
            cells = [below[end - len(title) : end].strip() for below in rows[number + 1 :]]
            return [cell for cell in cells if cell.isdigit()]
    return []


USES: dict[str, Callable[[], Awaitable[None]]] = {
    "an-error": use_error,
    "a-pane": use_pane,
    "an-action": use_action,
    "a-column": use_column,
    "a-theme": use_theme,
}


async def _main(sections: Sequence[str]) -> None:
    for package in (flow_core, flow_tui):
        assert Path(str(package.__file__)).is_relative_to(Path.cwd()), package.__file__
    state = os.environ["FLOW_STATE_DIR"]
    for section in sections:
        os.environ["FLOW_STATE_DIR"] = f"{state}/{section}"  # a state directory has the tasks of one section
        await USES[section]()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
