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
        self.is_paused = False
        self._channel = channel
        self._is_resuming = False

    def pause(self) -> None:
        if not self.is_paused:
            self.is_paused = True
            if not self._is_resuming:
                self._channel.pause_reading()

    def resume(self) -> None:
        """Hands on what has piled up, before it returns."""
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
