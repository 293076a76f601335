"""Pipes of a task that writes without rest: for as long as it does, bytes count for more than the order of its writes.

Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import time

_MANY = 1000
_PAUSE_S = 0.002


class BurstControl:
    """The two pipes of one rank, in packets and told of except where they are loud.

    `pipes` are descriptors of ours, the reading end to the writing end. What is switched here is switched for
    whoever writes to them, too: both have one open file description.
    """

    def __init__(self, pipes: dict[int, int]) -> None:
        self._pipes = pipes
        self._is_loud = False
        self._count = 0
        self._seen_at = 0.0

    @property
    def remaining_s(self) -> float | None:
        """In how many seconds to call `add` even if nothing has come."""
        return max(0.0, self._seen_at + _PAUSE_S - time.monotonic()) if self._is_loud else None

    def add(self, packets: int) -> None:
        """So many were read, perhaps none."""
        now = time.monotonic()
        if now - self._seen_at >= _PAUSE_S:
            self._count = 0
            self._switch(False)
        self._count += packets
        if packets:
            self._seen_at = now
        if self._count > _MANY:
            self._switch(True)

    def close(self) -> None:
        for fd in self._pipes.values():
            os.close(fd)

    def _switch(self, is_loud: bool) -> None:
        if is_loud == self._is_loud:
            return
        self._is_loud = is_loud
        for read, write in self._pipes.items():
            _set(read, os.O_ASYNC, not is_loud)
            _set(write, os.O_DIRECT, not is_loud)


def _set(fd: int, flag: int, is_on: bool) -> None:
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | flag if is_on else flags & ~flag)
