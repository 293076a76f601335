"""One call for all who need its answer at the same time, and the age of the last answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from flow_core.errors import FlowError, Unreachable

_LONGEST_INTERVAL_S = 60.0
_LONGEST_PAUSE_S = 15.0
_SLOWNESS = 10


class SharedPoll:
    """Calls `poll` at most every `interval_s`, and less often if the server is slow: ten times its time, up to 60 s.

    `poll` returns the time that the server took, at most; the duration of the whole call counts if that is shorter.
    Callers that need a new answer at the same time share one call. A failure is raised again for a while, so that a
    server in trouble is not asked all the time. `title` is what is asked, for the error of a caller that waits when
    the poll is closed.
    """

    def __init__(self, poll: Callable[[], Awaitable[float]], interval_s: float, title: str) -> None:
        self._poll = poll
        self._title = title
        self._shortest_s = self._interval_s = self._pause_s = interval_s
        self._running: asyncio.Task[None] | None = None
        self._error: FlowError | None = None
        self._began_at = self._answered_at = self._failed_at = self._expired_at = float("-inf")

    async def refresh(self, max_age_s: float | None = None) -> None:
        """Returns once there is an answer that is at most `max_age_s` old (None: the interval).

        Raises the FlowError of the call, and Unreachable after `close`.
        """
        asked_at = time.monotonic()
        limit_s = self._interval_s if max_age_s is None else max_age_s
        while not self._is_fresh(asked_at, limit_s):
            if self._running is None or self._running.done():
                self._raise_recent_failure()
                self._running = asyncio.create_task(self._run())
            await asyncio.wait((self._running,))
            if self._running.cancelled():
                raise Unreachable(f"{self._title} was closed while it was read")
            self._running.result()  # a bug must not go unnoticed
            self._raise_recent_failure()

    def expire(self) -> None:
        """Makes the next caller ask again, for example after a change."""
        self._expired_at = time.monotonic()

    async def close(self) -> None:
        """Ends a call in progress. Calling it again is safe."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait((self._running,))

    def _is_fresh(self, asked_at: float, limit_s: float) -> bool:
        if self._began_at < self._expired_at:
            return False
        return self._answered_at >= asked_at or time.monotonic() - self._answered_at <= limit_s

    def _raise_recent_failure(self) -> None:
        if self._error is not None and self._failed_at >= self._expired_at:
            if time.monotonic() - self._failed_at <= self._pause_s:
                raise self._error.with_traceback(None)
            self._error = None

    async def _run(self) -> None:
        began_at = time.monotonic()
        try:
            server_s = await self._poll()
        except FlowError as error:
            self._error, self._failed_at = error, time.monotonic()
            self._pause_s = max(self._shortest_s, min(self._failed_at - began_at, _LONGEST_PAUSE_S))
            return
        self._error = None
        self._began_at, self._answered_at = began_at, time.monotonic()
        slow_s = _SLOWNESS * min(server_s, self._answered_at - began_at)
        self._interval_s = max(self._shortest_s, min(slow_s, _LONGEST_INTERVAL_S))
