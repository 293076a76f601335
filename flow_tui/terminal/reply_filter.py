"""Filters the replies that a terminal sends to the queries of a program."""

from __future__ import annotations

import re

# Only positions, modes and colours, which are values of the terminal. A reply that repeats text from the output (title,
# clipboard) is dropped: a shell that expects no reply would take it as typed input.
_HARMLESS = re.compile(
    rb"\x1b\[[0-9;:?>=<$\"'! ]*[@-~]"
    rb"|\x1b\](4;[0-9]+|1[0-9]);rgba?:[0-9a-fA-F/]+(\x07|\x1b\\)"
    rb"|\x1bP[01][$+]r[0-9A-Za-z;:=\"$+ ]*\x1b\\"
)
_MAX_BYTES = 1 << 16


class ReplyFilter:
    """Queues harmless replies in order, up to 64 KiB; output may query faster than the program reads."""

    def __init__(self) -> None:
        self._queued = bytearray()

    def add(self, reply: bytes) -> None:
        if len(self._queued) < _MAX_BYTES and _HARMLESS.fullmatch(reply):
            self._queued += reply

    def take(self) -> bytes:
        replies = bytes(self._queued)
        self._queued.clear()
        return replies
