"""Events of a terminal core apart from its cells: title, bell, clipboard requests and replies to queries."""

from __future__ import annotations

from flow_tui.terminal.reply_filter import ReplyFilter

MAX_CLIPBOARD = 1 << 20
"""Most characters of one clipboard request; longer requests are dropped."""


class OscEvents:
    """Collects the events of one core until they are taken. Both cores inherit it."""

    def __init__(self) -> None:
        self._replies = ReplyFilter()
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
        """Ignore empty text; it would clear the clipboard."""
        if text and len(text) <= MAX_CLIPBOARD:
            self._clipboard = text
