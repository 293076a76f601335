"""The clock, live and moved by hand."""

from __future__ import annotations

import asyncio

from flow_core.emulator.clock import Timer, WorldClock
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.settings import Settings


async def test_due_actions_run_in_order_and_once() -> None:
    clock, done = WorldClock(is_live=False), []

    def later(delay_s: float, word: str) -> Timer:
        async def act() -> None:
            done.append((word, clock.elapsed_s))

        return clock.after(delay_s, act)

    later(2, "second")
    later(1, "first")
    later(2, "third")
    later(3, "never").cancel()
    await clock.advance(1.5)
    assert done == [("first", 1)]
    later(0, "at once")
    await clock.advance(10)
    assert done == [("first", 1), ("at once", 1.5), ("second", 2), ("third", 2)]
    assert clock.elapsed_s == 11.5


async def test_a_live_clock_may_be_advanced_too() -> None:
    async with Emulator(Settings(seconds_to_allocate=3600), port=None) as one:
        done = asyncio.Event()

        async def act() -> None:
            done.set()

        one.world.clock.after(3600, act)
        await one.control.advance(3600)
        assert done.is_set()
