"""The dialog of a login that waits for the host. It shows the host's own text, and esc stops the login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from flow_core.prompter import LoginProgress
from flow_tui.dialogs.dialog import Dialog, Fact, to_safe_content


class LoginWaiting(Dialog[str | None]):
    """A dialog that closes once the host has answered. The answer None stops the login."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "finish", "Stop", id="login_waiting.stop", tooltip="Stop waiting for the host"),
    ]

    def __init__(self, wait: LoginProgress) -> None:
        super().__init__(f"Waiting for {wait.host}", (("esc", "stop waiting"),))
        self._wait = wait

    def compose_body(self) -> Iterable[Widget]:
        wait = self._wait
        yield Static(
            to_safe_content(f"Waiting for {wait.host} {wait.what}. Approve the login if another device asks you to.\n")
        )
        if wait.banner:
            yield Fact("Banner:", wait.banner)
        if wait.context:
            yield Fact("Context:", wait.context)

    def compose_buttons(self) -> Iterable[Widget]:
        stop = Button(Content("Stop waiting"), compact=True, variant="primary")
        stop.can_focus = False
        yield stop

    def expire(self) -> None:
        """Closes the dialog, because the host has answered."""
        self.finish(None)

    @on(Button.Pressed)
    def _stop(self) -> None:
        self.finish(None)
