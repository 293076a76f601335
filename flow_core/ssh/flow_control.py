"""Limits how many received bytes a channel buffers here."""

from __future__ import annotations

from typing import Protocol


class _PausableChannel(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FlowControl:
    """The flow control of a channel. While it is paused, the other side may send only the rest of the channel's window.

    asyncssh grants another window with the first piece that it delivers, even if it holds more pieces. Pausing again
    after every few pieces, as its own streams do, would buffer nearly everything that the other side sends. So `resume`
    always delivers everything that is buffered, at most one window.
    """

    def __init__(self, channel: _PausableChannel) -> None:
        self.is_paused = False
        self._channel = channel
        self._is_resuming = False

    def pause(self) -> None:
        if not self.is_paused:
            self.is_paused = True
            if not self._is_resuming:
                self._channel.pause_reading()

    def resume(self) -> None:
        """Delivers the buffered bytes, then returns."""
        self.is_paused = False
        if self._is_resuming:
            return
        self._is_resuming = True
        try:
            self._channel.resume_reading()
        finally:
            self._is_resuming = False
        if self.is_paused:
            self._channel.pause_reading()
