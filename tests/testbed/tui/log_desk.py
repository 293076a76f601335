"""The logs pane by itself, with its keys and dialogs, over a log that the test writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from testbed.bare_services import KEYS, bare_services
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.pilot import Pilot
from textual.screen import Screen

from flow_core.agent.spool import STDOUT, SpoolFiles, SpoolWriter
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.key_queue import KeyQueue
from flow_tui.panes.logs.pane import LogsPane


class DeskScreen(Screen[None]):
    """A screen that carries out the actions of the pane, as the dashboard does."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "back", "back")]

    def __init__(self) -> None:
        super().__init__()
        services = bare_services()
        services.screen = self
        self.pane = LogsPane(services)

    def compose(self) -> ComposeResult:
        yield self.pane

    def action_act(self, action_id: str) -> None:
        self.pane.services.carry_out(partial(KEYS[action_id].run, self.pane), action_id)

    def action_back(self) -> None:
        self.pane.step_back()


class LogDesk(KeyQueue, ThemedApp):
    def get_default_screen(self) -> Screen[None]:
        return DeskScreen()


async def _never() -> bool:
    return False


def write_spool(stem: Path, data: bytes) -> SpoolFiles:
    files = SpoolFiles.at(stem)
    writer = SpoolWriter(files, lambda: time.time_ns() // 1000)
    writer.append(STDOUT, data)
    writer.close()
    return files


@asynccontextmanager
async def log_desk(
    folder: Path, data: bytes, *, name: str = "train", size: tuple[int, int] = (80, 16)
) -> AsyncIterator[tuple[LogsPane, Pilot[None]]]:
    """Yields the pane with a log of a running task."""
    files = write_spool(folder / name, data) if data else SpoolFiles.at(folder / name)
    app = LogDesk()
    async with app.run_test(size=size) as pilot:
        screen = app.screen
        assert isinstance(screen, DeskScreen)
        await screen.pane.show(TaskRecord("local", name, name, TaskStatus.RUNNING), files, _never)
        screen.pane.view.focus()
        await until(lambda: screen.pane.view.has_focus)
        yield screen.pane, pilot


def shown_rows(pane: LogsPane) -> list[str]:
    """The rows of the log, without their marks and the scroll bar."""
    return [pane.view.render_line(y).text[1:-1].rstrip() for y in range(pane.view.size.height)]


def marked_row(pane: LogsPane) -> str:
    """The row of the current line; "" if it is not in view."""
    rows = [pane.view.render_line(y).text for y in range(pane.view.size.height)]
    return next((row[1:-1].rstrip() for row in rows if row.startswith("▸")), "")


def status(pane: LogsPane) -> str:
    """The sentence below the log; "" if there is none."""
    return str(pane.status.render()) if pane.status.display else ""
