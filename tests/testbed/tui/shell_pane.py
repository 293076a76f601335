"""An app with nothing but a field and the shell pane."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from testbed.bare_services import bare_services
from testbed.themed_app import ThemedApp
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.widgets.terminal import TerminalView


class Host(ThemedApp):
    def compose(self) -> ComposeResult:
        yield Input()
        yield ShellPane(bare_services())

    @property
    def pane(self) -> ShellPane:
        return self.query_one(ShellPane)


def task(name: str = "train", task_id: str = "t1") -> TaskRecord:
    return TaskRecord("local", task_id, name, TaskStatus.RUNNING)


def has_live_shells(pane: ShellPane) -> bool:
    return any(tab.is_live for tab in pane._tabs)


def text(view: TerminalView | None) -> str:
    assert view is not None
    return "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


@asynccontextmanager
async def hosted(app: Host | None = None) -> AsyncIterator[tuple[Host, Pilot[None]]]:
    app = app or Host()
    async with app.run_test(size=(70, 20)) as pilot:
        yield app, pilot
        await app.pane.close()


def border_text(app: Host) -> str:
    title = app.pane._border_title
    assert title is not None
    return title.plain


def border_subtitle(app: Host) -> str:
    subtitle = app.pane._border_subtitle
    assert subtitle is not None
    return subtitle.plain
