"""The dialog before several lines are pasted into a shell that would run each line as it arrives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Static

from flow_tui.dialogs.confirm import Confirm


class ConfirmPaste(Confirm):
    """A dialog that asks before a paste. Enter doesn't close it, so that an enter after the paste loses no text."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "remind", show=False, id="confirm.remind")]

    def __init__(self, text: str) -> None:
        lines = text.count("\n") + text.count("\r") + 1
        super().__init__(
            f"Paste {lines} lines?",
            ["The shell can't tell pasted from typed text: each line runs as it arrives."],
            call="Sends the text as if you typed it.",
            agree="Paste it",
            refuse="Don't paste",
        )

    def foot(self) -> Iterable[Widget]:
        yield Static("Press y to paste; esc goes back.", markup=False, classes="confirm-ask")

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False
        self.set_focus(None)

    def action_remind(self) -> None:
        self.app.bell()
