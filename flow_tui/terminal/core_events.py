"""Events of a terminal core apart from its cells: title, bell, clipboard requests and replies to queries."""

from __future__ import annotations

import re

MAX_CLIPBOARD = 1 << 20
"""Most characters of one clipboard request; longer requests are dropped."""

# Only positions, modes and colours, which are values of the terminal. A reply that repeats text from the output (title,
# clipboard) is dropped: a shell that expects no reply would take it as typed input.
_HARMLESS = re.compile(
    rb"\x1b\[[0-9;:?>=<$\"'! ]*[@-~]"
    rb"|\x1b\](4;[0-9]+|1[0-9]);rgba?:[0-9a-fA-F/]+(\x07|\x1b\\)"
    rb"|\x1bP[01][$+]r[0-9A-Za-z;:=\"$+ ]*\x1b\\"
)
_MAX_BYTES = 1 << 16


class OscEvents:
    """The events of one core, until the owner of the core takes them."""

    def __init__(self) -> None:
        self.title = ""
        """The window title that the program set: printable, at most 80 characters; empty if it set none."""
        self._replies = ReplyFilter()
        self._has_rung = False
        self._clipboard: str | None = None

    def take_replies(self) -> bytes:
        """Returns the replies to queries of the program, and clears them."""
        return self._replies.take()

    def take_bell(self) -> bool:
        """Returns whether the bell rang since the last call."""
        has_rung, self._has_rung = self._has_rung, False
        return has_rung

    def take_clipboard(self) -> str | None:
        """Returns and clears the last text that the program wanted to copy. Programs can never read the clipboard."""
        text, self._clipboard = self._clipboard, None
        return text

    def note_bell(self) -> None:
        self._has_rung = True

    def note_clipboard(self, text: str) -> None:
        """Stores text that the program wants to copy. Ignores empty text, which would clear the clipboard."""
        if text and len(text) <= MAX_CLIPBOARD:
            self._clipboard = text

    def note_reply(self, reply: bytes) -> None:
        self._replies.add(reply)


class ReplyFilter:
    """A queue of harmless replies, up to 64 KiB, because output may query faster than the program reads."""

    def __init__(self) -> None:
        self._queued = bytearray()

    def add(self, reply: bytes) -> None:
        if len(self._queued) < _MAX_BYTES and _HARMLESS.fullmatch(reply):
            self._queued += reply

    def take(self) -> bytes:
        replies = bytes(self._queued)
        self._queued.clear()
        return replies
