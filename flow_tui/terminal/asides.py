"""What a terminal's far side says besides what it paints."""

from __future__ import annotations

from flow_tui.terminal.replies import Replies

MAX_CLIPBOARD = 1 << 20
"""Characters that a far side may put on the clipboard at once; more is dropped."""


class Asides:
    """A title, a bell, answers that are owed. Part of every core, which notes them as they come."""

    def __init__(self) -> None:
        self._replies = Replies()
        self._title = ""
        self._bell = False
        self._clipboard: str | None = None

    @property
    def title(self) -> str:
        return self._title

    def take_replies(self) -> bytes:
        return self._replies.take()

    def take_bell(self) -> bool:
        rang, self._bell = self._bell, False
        return rang

    def take_clipboard(self) -> str | None:
        text, self._clipboard = self._clipboard, None
        return text

    def _note_clipboard(self, text: str) -> None:
        """An empty text would only take away what is there."""
        if text and len(text) <= MAX_CLIPBOARD:
            self._clipboard = text
