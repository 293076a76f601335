"""The interface between a server session and its process."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

STDOUT, STDERR = 1, 2


class ProcessListener(Protocol):
    """The receiver of a process's output and end."""

    def write_output(self, data: bytes, stream: int) -> None: ...

    def set_input_full(self, is_full: bool) -> None:
        """Pauses or resumes the input."""

    def process_ended(self, code: int) -> None:
        """Reports the exit code, or minus the signal. Called once, after all output; never after `hang_up`."""


class SessionProcess(Protocol):
    """A process on a terminal or with three pipes. It writes to a listener as fast as that reads."""

    @abstractmethod
    def feed(self, data: bytes) -> None: ...

    @abstractmethod
    def feed_eof(self) -> None: ...

    @abstractmethod
    def pause(self, is_paused: bool) -> None:
        """Pauses or resumes the output."""

    @abstractmethod
    def close_output(self) -> None:
        """Closes the output as a pipe or a terminal would; the process gets SIGPIPE, EIO or SIGHUP."""

    @abstractmethod
    def hang_up(self) -> None:
        """Closes the streams and makes no more reports to the listener. Calling it again is safe."""

    def resize(self, columns: int, rows: int) -> None:
        """Sets the terminal's size; has no effect without a terminal."""

    @abstractmethod
    def signal(self, number: int) -> None: ...
