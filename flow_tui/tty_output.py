"""Writes to the user's terminal without ever waiting for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

_RETRY_S = 0.02
_DRAIN_POLL_S = 0.005
_CONTROLS_MAX = 1 << 18
_PIECE_BYTES = 1 << 16


class TtyOutput:
    """Output that the terminal has not accepted yet. Holds one frame, and a bounded amount of control sequences.

    `on_caught_up` is called when the terminal has accepted everything again, `on_lost` once when it is closed.
    """

    def __init__(self, descriptor: int, on_caught_up: Callable[[], None], on_lost: Callable[[], None]) -> None:
        self._source = descriptor
        self._fd, self._is_own = _reopen(descriptor)
        self._on_caught_up = on_caught_up
        self._on_lost = on_lost
        self._pending = b""
        self._is_lost = False
        self._waiting_on: asyncio.AbstractEventLoop | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def is_behind(self) -> bool:
        """True while the terminal has not accepted all output. Draw nothing then."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """Writes what the terminal accepts now and keeps the rest. While it is behind, drops repeated and excessive
        control sequences, so that many bells become one."""
        if self._is_lost or not data:
            return
        if self._pending and (self._pending.endswith(data) or len(self._pending) + len(data) > _CONTROLS_MAX):
            return
        self._pending += data
        self._send()
        if self._pending and self._waiting_on is None and self._retry is None:
            self._wait(asyncio.get_running_loop())

    def drain(self, timeout_s: float) -> bool:
        """Blocks until the terminal has accepted everything. Returns False after the timeout."""
        deadline = time.monotonic() + timeout_s
        while self._pending and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(left_s, _DRAIN_POLL_S))
            self._send()
        return not self._pending

    def close(self) -> None:
        """Closes the output and discards what is left. Calling it again is safe."""
        self._pending, self._is_lost = b"", True
        self._stop_waiting()
        if self._fd >= 0 and self._is_own:
            os.close(self._fd)
        elif self._fd >= 0:
            os.set_blocking(self._source, True)
        self._fd = -1

    def _send(self) -> bool:
        """Writes as much as possible. Returns whether the terminal accepted something."""
        before = len(self._pending)
        try:
            while self._pending:
                written = os.write(self._fd, self._pending[:_PIECE_BYTES])
                self._pending = self._pending[written:]
        except BlockingIOError:
            pass
        except OSError:  # EIO: the terminal was closed
            self._pending, self._is_lost = b"", True
            self._on_lost()
        return len(self._pending) < before

    def _wait(self, loop: asyncio.AbstractEventLoop, *, is_polling: bool = False) -> None:
        """Waits until the terminal accepts output. Polls one that counts as ready and accepts nothing (one with room
        for half of a line break), and one that kqueue can't wait for."""
        self._stop_waiting()
        if not is_polling:
            try:
                loop.add_writer(self._fd, self._continue, loop)
            except OSError:
                pass
            else:
                self._waiting_on = loop
                return
        self._retry = loop.call_later(_RETRY_S, self._continue, loop)

    def _stop_waiting(self) -> None:
        if self._waiting_on is not None:
            self._waiting_on.remove_writer(self._fd)
        if self._retry is not None:
            self._retry.cancel()
        self._waiting_on = self._retry = None

    def _continue(self, loop: asyncio.AbstractEventLoop) -> None:
        has_moved = self._send()
        if self._pending:
            self._wait(loop, is_polling=not has_moved)
            return
        self._stop_waiting()
        if not self._is_lost:
            self._on_caught_up()


def _reopen(descriptor: int) -> tuple[int, bool]:
    """Returns a non-blocking descriptor of the terminal, and whether it has to be closed.

    Opens the terminal again, because O_NONBLOCK belongs to the open file, which the user's shell shares.
    """
    for name in (_find_name(descriptor), "/dev/tty"):
        try:
            return os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), True
        except OSError:
            continue
    os.set_blocking(descriptor, False)
    return descriptor, False


def _find_name(descriptor: int) -> str:
    try:
        return os.ttyname(descriptor)
    except OSError:
        return "/dev/tty"
