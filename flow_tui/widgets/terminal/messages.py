"""The messages that a terminal view posts to its ancestors, with handlers such as on_terminal_view_asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from flow_tui.terminal.prefix import Command

if TYPE_CHECKING:
    from flow_tui.key_hold import KeyHold
    from flow_tui.widgets.terminal.view import TerminalView


@dataclass
class TerminalMessage(Message, bubble=True):
    """A message of one view."""

    view: TerminalView

    @property
    def control(self) -> TerminalView:
        return self.view


@dataclass
class Asked(TerminalMessage, namespace="terminal_view"):
    """The user wants a command carried out. `digit` is the number of the pane if the command is PANE.

    `keys` holds what is typed for the shell that the command opens; the receiver that opens it ends the hold.
    """

    command: Command
    digit: int = 0
    keys: KeyHold | None = None


@dataclass
class StateChanged(TerminalMessage, namespace="terminal_view"):
    """Something changed that the border shows: key target, title, position, recording, bell or clipboard request."""


@dataclass
class Copied(TerminalMessage, namespace="terminal_view"):
    """The user copied this text, or the shell did and the user allowed it."""

    text: str


@dataclass
class PasteNeedsConsent(TerminalMessage, namespace="terminal_view"):
    """The user pasted several lines, which the shell would run; `send_paste` sends them anyway."""

    text: str


@dataclass
class Ended(TerminalMessage, namespace="terminal_view"):
    """The shell ended. `code` is its exit code, None if unknown."""

    code: int | None
