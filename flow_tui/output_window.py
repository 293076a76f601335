"""Limits how many bytes are on their way to the terminal, so that a slow link never shows old frames for long.

A connection accepts far more than the terminal has drawn: an SSH channel alone buffers megabytes. So the terminal is
asked for its status behind the output; it answers once it has processed everything before the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REQUEST = b"\x1b[5n"
"""Device status report; every terminal answers it."""
REPLY = "\x1b[0n"
_ASK_AFTER_BYTES = 2048
_WINDOW_BYTES = 4096
_LOST_S = 5.0
"""A reply that takes longer than this was lost; another program may have read it."""


class OutputWindow:
    """The output that the terminal has not confirmed yet. Stays open for a terminal that has never answered.

    `on_lost` is called when no reply came in time, so that the window is open again.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._asked_bytes = self._unasked_bytes = 0
        """The bytes before the request that has no reply yet, and those after it."""
        self._lost: asyncio.TimerHandle | None = None
        self._has_answered = False
        self._is_silent = False

    @property
    def is_open(self) -> bool:
        """False while too much is on its way. Draw nothing then."""
        return not self._has_answered or self._asked_bytes + self._unasked_bytes < _WINDOW_BYTES

    @property
    def is_waiting(self) -> bool:
        """Whether the terminal has a request that it has not answered yet."""
        return self._lost is not None

    def add(self, output: bytes) -> bytes:
        """Notes output that is sent now. Returns it, with a request behind it if one is due."""
        self._unasked_bytes += len(output)
        if self.is_waiting or self._is_silent or self._unasked_bytes < _ASK_AFTER_BYTES:
            return output
        self._asked_bytes, self._unasked_bytes = self._unasked_bytes, 0
        self._lost = asyncio.get_running_loop().call_later(_LOST_S, self._give_up)
        return output + REQUEST

    def confirm(self) -> bytes:
        """Notes that the terminal has answered. Returns a request if one is due for what was sent meanwhile."""
        self._has_answered = True
        self._end_request()
        return self.add(b"")

    def reset(self) -> None:
        """Expects no reply any more."""
        self._end_request()
        self._unasked_bytes = 0

    def _end_request(self) -> None:
        self._asked_bytes = 0
        if self._lost is not None:
            self._lost.cancel()
        self._lost = None

    def _give_up(self) -> None:
        self.reset()
        self._is_silent = not self._has_answered
        self._on_lost()


class StatusReplies:
    """Takes the replies out of what the terminal sends. Used by the thread that reads keys."""

    def __init__(self) -> None:
        self._held = ""

    def take(self, text: str, *, is_waiting: bool) -> tuple[str, int]:
        """Returns the text without replies, and their number. While a reply is due, holds back what may begin one."""
        text = self._held + text
        found = text.count(REPLY)
        text = text.replace(REPLY, "")
        begun = max((n for n in range(1, len(REPLY)) if text.endswith(REPLY[:n])), default=0) if is_waiting else 0
        self._held = text[len(text) - begun :]
        return text[: len(text) - begun], found

    def release(self) -> str:
        """Returns what was held back, once nothing has followed it."""
        held, self._held = self._held, ""
        return held
