"""The result of a command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """The result of a command that has ended.

    `signal` names the signal that ended it ("KILL"); the exit code is then 128 plus its number, as in shells. Each
    output holds at most 16 MiB; `is_cut` is true if there was more.
    """

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    is_cut: bool = False
    signal: str | None = None
