"""Waiting for a condition: every test that waits uses these functions and their one deadline."""

from __future__ import annotations

import asyncio
import inspect
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from flow_core.models.task import TaskRecord

T = TypeVar("T")

DEADLINE_S = 120
"""Generous, so that a busy machine fails no test; a condition that holds costs none of it."""

TEST_LIMIT_S = 5 * DEADLINE_S
"""A test that takes longer hangs: it fails with the stack of every thread. `--timeout=60` sets another limit."""

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.05


async def until(
    condition: Callable[[], T | Awaitable[T]],
    within_s: float = DEADLINE_S,
    explain: Callable[[], object] = lambda: "the condition did not hold in time",
) -> T:
    """Calls the condition, which may be a coroutine function, until its result is true; returns that result."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await asyncio.wait_for(found, max(0.01, deadline - time.monotonic()))
        if found:
            return found
        left_s = deadline - time.monotonic()
        assert left_s > 0, explain()
        await asyncio.sleep(_pause_s(within_s - left_s))


def wait_until(
    condition: Callable[[], T],
    within_s: float = DEADLINE_S,
    explain: Callable[[], object] = lambda: "the condition did not hold in time",
) -> T:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        left_s = deadline - time.monotonic()
        assert left_s > 0, explain()
        time.sleep(_pause_s(within_s - left_s))
    return found


def has_input(fd: int, timeout_s: float) -> bool:
    """Waits until something can be read; returns whether it can. Unlike `select`, for any number of open files."""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, timeout_s)))


def _pause_s(waited_s: float) -> float:
    """A tenth of the time waited so far: a long wait costs little CPU time, and a short one is noticed at once."""
    return min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, waited_s / 10))


async def until_over(limit_s: float) -> None:
    """Until longer has passed than what a deadline of `limit_s` allows."""
    clock = asyncio.get_running_loop().time
    ends = clock() + limit_s + 0.2
    await until(lambda: clock() > ends)


class _Tasks(Protocol):
    async def get_task(self, task_id: str) -> TaskRecord: ...


async def task_until(provider: _Tasks, task: TaskRecord, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
    """Asks the provider for the task until it is as it should be, and returns it as it was then."""
    latest = task

    async def reached() -> bool:
        nonlocal latest
        latest = await provider.get_task(task.task_id)
        return holds(latest)

    await until(reached, explain=lambda: f"still {latest.status}: {latest.message}")
    return latest
