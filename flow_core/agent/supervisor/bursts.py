"""Controls the pipes of a rank that writes without pause: throughput then matters more than the order of its writes.

Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import time

_PACKETS_MAX = 1000
_PAUSE_S = 0.002


class BurstControl:
    """The two pipes of one rank. They use packets and write notifications, except during a burst.

    `pipes` maps the reading end to the writing end; both are descriptors of ours. A change of their flags also applies
    to the writing processes, since they share the open file description.
    """

    def __init__(self, pipes: dict[int, int]) -> None:
        self._pipes = pipes
        self._is_bursting = False
        self._count = 0
        self._last_read_at = 0.0

    @property
    def remaining_s(self) -> float | None:
        """The time until `add` must be called even without output; None outside a burst."""
        return max(0.0, self._last_read_at + _PAUSE_S - time.monotonic()) if self._is_bursting else None

    def add(self, packets: int) -> None:
        """Note that `packets` packets were read, perhaps none. More than 1000 without a pause of 2 ms start a burst."""
        now = time.monotonic()
        if now - self._last_read_at >= _PAUSE_S:
            self._count = 0
            self._set_bursting(False)
        self._count += packets
        if packets:
            self._last_read_at = now
        if self._count > _PACKETS_MAX:
            self._set_bursting(True)

    def close(self) -> None:
        for fd in self._pipes.values():
            os.close(fd)

    def _set_bursting(self, is_bursting: bool) -> None:
        if is_bursting == self._is_bursting:
            return
        self._is_bursting = is_bursting
        for read, write in self._pipes.items():
            _set_flag(read, os.O_ASYNC, not is_bursting)
            _set_flag(write, os.O_DIRECT, not is_bursting)


def _set_flag(fd: int, flag: int, is_on: bool) -> None:
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | flag if is_on else flags & ~flag)
