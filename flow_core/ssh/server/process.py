"""What a session of a server of ours and the process behind it know of each other."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

STDOUT, STDERR = 1, 2


class ProcessListener(Protocol):
    """Who is told what the process does."""

    def write_output(self, data: bytes, stream: int) -> None: ...

    def set_input_full(self, is_full: bool) -> None:
        """Whether to hold back what is typed."""

    def process_ended(self, code: int) -> None:
        """The exit code, or minus the signal. Said once, after all output; never after `hang_up`."""


class SessionProcess(Protocol):
    """On a terminal, or with three pipes. It says what it does to a listener, as fast as that takes it."""

    @abstractmethod
    def feed(self, data: bytes) -> None: ...

    @abstractmethod
    def feed_eof(self) -> None: ...

    @abstractmethod
    def pause(self, is_paused: bool) -> None:
        """Holds the output back, or lets it go on."""

    @abstractmethod
    def close_output(self) -> None:
        """Nobody wants its output any more; it learns that as it would from a pipe, or from a terminal."""

    @abstractmethod
    def hang_up(self) -> None:
        """Nobody listens any more. Twice is safe."""

    def resize(self, columns: int, rows: int) -> None:
        """Means something on a terminal only."""

    @abstractmethod
    def signal(self, number: int) -> None: ...
