"""The error of a process of a task that can't be started."""

from __future__ import annotations


class LaunchError(Exception):
    """The command couldn't be started; the text gives the reason."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
