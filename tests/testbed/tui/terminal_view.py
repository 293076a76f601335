"""An app with nothing but a terminal view and a field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Input

from flow_tui.terminal.prefix import Command
from flow_tui.widgets.terminal import TerminalView
from flow_tui.widgets.terminal.view import TerminalMessage


class Host(ThemedApp):
    """Holds a view beside a field, and keeps the messages that bubble up to it."""

    def __init__(self, shell: Any) -> None:
        super().__init__()
        self.shell = shell
        self.view = TerminalView()
        self.heard: list[Message] = []
        self.bells = 0

    def compose(self) -> ComposeResult:
        yield self.view
        yield Input()

    def on_mount(self) -> None:
        self.view.focus()
        self.run_worker(self.view.run(self.shell))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.view.captures_keys and action in ("quit", "command_palette"))

    def bell(self) -> None:
        self.bells += 1

    def asked(self, command: Command) -> list[Any]:
        return [message for message in self.get(TerminalView.CommandRequested) if message.command is command]

    def get(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.heard if type(message) is kind]


def screen(app: App[None]) -> str:
    """What the view draws, through its own lines."""
    view = app.query_one(TerminalView)
    return "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


@asynccontextmanager
async def hosted(
    shell: Any, size: tuple[int, int] = (60, 16), app: Host | None = None
) -> AsyncIterator[tuple[Host, Pilot[None]]]:
    app = app or Host(shell)
    heard: list[Message] = app.heard

    def hook(message: Message) -> None:
        if isinstance(message, TerminalMessage) and message not in heard:
            heard.append(message)

    async with app.run_test(size=size, message_hook=hook) as pilot:
        await until(lambda: app.view.core is not None)
        yield app, pilot
        app.workers.cancel_all()
