"""Which of a terminal's answers may be typed into the far side's shell."""

from __future__ import annotations

import re

# Positions, modes and colours: values of the terminal. Titles, clipboards and whatever else repeats text
# that the output chose are left out, since a shell that doesn't expect an answer takes it as typed.
_HARMLESS = re.compile(
    rb"\x1b\[[0-9;:?>=<$\"'! ]*[@-~]"
    rb"|\x1b\](4;[0-9]+|1[0-9]);rgba?:[0-9a-fA-F/]+(\x07|\x1b\\)"
    rb"|\x1bP[01][$+]r[0-9A-Za-z;:=\"$+ ]*\x1b\\"
)
_KEPT_BYTES = 1 << 16


class Replies:
    """Answers that are owed, in order; bounded, since a flood may ask faster than anybody reads."""

    def __init__(self) -> None:
        self._owed = bytearray()

    def add(self, reply: bytes) -> None:
        if len(self._owed) < _KEPT_BYTES and _HARMLESS.fullmatch(reply):
            self._owed += reply

    def take(self) -> bytes:
        owed = bytes(self._owed)
        self._owed.clear()
        return owed
