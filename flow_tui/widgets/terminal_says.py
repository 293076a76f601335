"""What a terminal view tells whoever holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from flow_tui.terminal.prefix import Command

if TYPE_CHECKING:
    from flow_tui.key_hold import KeyHold
    from flow_tui.widgets.terminal import TerminalView


class Says:
    """The messages of TerminalView; handlers are called on_terminal_view_asked and so on."""

    @dataclass
    class About(Message, bubble=True):
        """Every message names its view."""

        view: TerminalView

        @property
        def control(self) -> TerminalView:
            return self.view

    @dataclass
    class Asked(About, namespace="terminal_view"):
        """The user asks something of the pane; `digit` is the pane's where the command is PANE. `keys` are held for
        the shell that the command opens; whoever opens it ends the hold."""

        command: Command
        digit: int = 0
        keys: KeyHold | None = None

    @dataclass
    class Changed(About, namespace="terminal_view"):
        """Something that the border shows is different: keys, title, position, recording, bell, clipboard."""

    @dataclass
    class Copied(About, namespace="terminal_view"):
        """The user took this text, or the far side did with the user's consent."""

        text: str

    @dataclass
    class PasteNeedsConsent(About, namespace="terminal_view"):
        """Several lines were pasted and the far side would run them; `send_paste` sends them anyway."""

        text: str

    @dataclass
    class Ended(About, namespace="terminal_view"):
        """The shell is over; `code` is None where nobody could say."""

        code: int | None
