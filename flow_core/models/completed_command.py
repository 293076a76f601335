"""The result of a command, and its output while it is collected."""

from __future__ import annotations

from dataclasses import dataclass

_MAX_OUTPUT_BYTES = 16 << 20


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


class BoundedOutput:
    """Output of a command by stream, 1 for stdout and 2 for stderr; at most 16 MiB of each."""

    def __init__(self) -> None:
        self.data = {1: bytearray(), 2: bytearray()}
        self.is_cut = False

    async def take(self, stream: int, piece: bytes) -> None:
        room = _MAX_OUTPUT_BYTES - len(self.data[stream])
        self.data[stream] += piece[:room]
        self.is_cut = self.is_cut or len(piece) > room
