"""The emulator's clock, live or advanced by hand. It runs actions in the order in which they are due."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

Action = Callable[[], Awaitable[None]]


class Timer:
    """An action that is due later, unless it is cancelled."""

    __slots__ = ("action", "is_cancelled")

    def __init__(self, action: Action) -> None:
        self.action = action
        self.is_cancelled = False

    def cancel(self) -> None:
        """Cancels the action. Calling it again is safe, also after the action."""
        self.is_cancelled = True


class WorldClock:
    """A clock: wall-clock times include `skew`; timers use seconds since the start, without it.

    A clock that is not live advances only by `advance`. It begins `age_s` ago: actions that run while it is advanced
    to the present are history.
    """

    def __init__(self, *, is_live: bool = True, age_s: float = 0.0) -> None:
        self.skew_s = 0.0
        self._is_live = is_live
        self._jumped_s = 0.0
        self._started = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=age_s)
        self._origin_s = time.monotonic()
        self._due: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def elapsed_s(self) -> float:
        return self._jumped_s + (time.monotonic() - self._origin_s if self._is_live else 0.0)

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.elapsed_s + self.skew_s)

    def after(self, delay_s: float, action: Action) -> Timer:
        """Schedules an action. Actions that are due at the same time run in the order of the calls."""
        timer = Timer(action)
        heapq.heappush(self._due, (self.elapsed_s + delay_s, next(self._order), timer))
        self._changed.set()
        return timer

    async def advance(self, seconds: float) -> None:
        """Jumps ahead. Runs every action that is due until then, each at its time."""
        async with self._turn:
            target_s = self.elapsed_s + seconds
            while self._due and self._due[0][0] <= target_s:
                due_s, _, timer = heapq.heappop(self._due)
                self._jumped_s += max(0.0, due_s - self.elapsed_s)
                await _run_action(timer)
            self._jumped_s += max(0.0, target_s - self.elapsed_s)
        self._changed.set()

    async def run(self) -> None:
        """Runs actions when they are due, without an end. Only for a live clock."""
        while True:
            async with self._turn:
                while self._due and self._due[0][0] <= self.elapsed_s:
                    await _run_action(heapq.heappop(self._due)[2])
            await self._wait_until_due()

    async def _wait_until_due(self) -> None:
        self._changed.clear()
        wait_s = max(0.0, self._due[0][0] - self.elapsed_s) if self._due else None
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            pass  # an action is due


async def _run_action(timer: Timer) -> None:
    if not timer.is_cancelled:
        await timer.action()


def iso_time(moment: datetime) -> str:
    """Returns the time as the API writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def iso_time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else iso_time(moment)
