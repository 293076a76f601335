"""The signals of a shell besides its output: a title, the bell, and text for the clipboard."""

from __future__ import annotations

import asyncio

from flow_tui.terminal.core_events import OscEvents
from flow_tui.widgets.terminal.view_protocol import TerminalHost

_BELL_S = 1.0
_FLASH_S = 0.3


class ClipboardConsent:
    """The user's consent that a shell copies text to the clipboard. `waiting` is the text that waits for consent."""

    def __init__(self) -> None:
        self._is_allowed: bool | None = None
        self.waiting: str | None = None

    def request(self, text: str) -> str | None:
        """Returns the text if the shell may copy it now; otherwise None."""
        if self._is_allowed:
            return text
        if self._is_allowed is None:
            self.waiting = text
        return None

    def allow(self) -> str | None:
        """Allows this and all later requests, and returns the waiting text. Without a request, allows nothing."""
        if self.waiting is None:
            return None
        text, self.waiting, self._is_allowed = self.waiting, None, True
        return text

    def refuse(self) -> None:
        """Refuses this and all later requests, if there is a request."""
        if self.waiting is not None:
            self.waiting, self._is_allowed = None, False


class ShellSignals:
    """The signals of the shell in a view, which the border shows."""

    def __init__(self, host: TerminalHost) -> None:
        self.title = ""
        self.has_rung = False
        """True after a bell without focus, until the view has the focus."""
        self.is_flashing = False
        """True for a moment after a bell with focus."""
        self.clipboard = ClipboardConsent()
        self._host = host
        self._rang_at = float("-inf")

    def take(self, events: OscEvents, *, has_focus: bool) -> None:
        """Handles the events that a core collected. Call it after every slice of output."""
        if events.take_bell():
            self._ring(has_focus)
        if events.title != self.title:
            self.title = events.title
            self._host.announce_change()
        if (text := events.take_clipboard()) is not None:
            if self.clipboard.request(text) is not None:
                self._host.copy_text(text)
            else:
                self._host.announce_change()

    def clear_bell(self) -> None:
        """Clears the mark of the bell, because the view has the focus."""
        if self.has_rung:
            self.has_rung = False
            self._host.announce_change()

    def _ring(self, has_focus: bool) -> None:
        """Rings at most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._rang_at < _BELL_S:
            return
        self._rang_at = now
        self._host.ring()
        if has_focus:
            self._flash(True)
            self._host.set_timer(_FLASH_S, lambda: self._flash(False))
        elif not self.has_rung:
            self.has_rung = True
            self._host.announce_change()

    def _flash(self, is_flashing: bool) -> None:
        self.is_flashing = is_flashing
        self._host.announce_change()
