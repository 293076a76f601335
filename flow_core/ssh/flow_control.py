"""Holding back what comes in on a channel, so that only so much of it waits here."""

from __future__ import annotations

from typing import Protocol


class _PausableChannel(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FlowControl:
    """Open at first. While it is shut, the other side may send what is left of the channel's window, and no more.

    asyncssh allows another window with the first piece that it hands on, whatever else it still holds. Paused again
    after each few pieces, as with its own streams, nearly all that the other side has to send would pile up here. So
    what has piled up is always taken in one go, however much that is at once: at most a window.
    """

    def __init__(self, channel: _PausableChannel) -> None:
        self.is_shut = False
        self._channel = channel
        self._is_opening = False

    def shut(self) -> None:
        if not self.is_shut:
            self.is_shut = True
            if not self._is_opening:
                self._channel.pause_reading()

    def open(self) -> None:
        """Hands on what has piled up, before it returns."""
        self.is_shut = False
        if self._is_opening:
            return
        self._is_opening = True
        try:
            self._channel.resume_reading()
        finally:
            self._is_opening = False
        if self.is_shut:
            self._channel.pause_reading()
