"""One source for all who look, and what a task may see of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.errors import Unreachable
from flow_core.metrics.broadcast import SampleBroadcast
from flow_core.metrics.stream import read_samples
from flow_core.metrics.visible_gpus import select_visible_gpus
from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample


class Channel:
    """A source under the test's control; counts how often it is opened and closed."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.samples: asyncio.Queue[float | None] = asyncio.Queue()

    async def __call__(self) -> AsyncGenerator[MachineSample, None]:
        self.opened += 1
        try:
            while (load := await self.samples.get()) is not None:
                yield MachineSample(datetime.now(UTC), load=load)
            raise Unreachable("the link was lost")
        finally:
            self.closed += 1


async def test_all_who_look_share_one_source_and_the_last_one_closes_it() -> None:
    channel = Channel()
    shared = SampleBroadcast(channel)
    async with aclosing(shared.subscribe()) as first, aclosing(shared.subscribe()) as second:
        channel.samples.put_nowait(1.0)
        assert [(await anext(one)).load for one in (first, second)] == [1.0, 1.0]
        await first.aclose()
        assert (channel.opened, channel.closed, shared.is_idle) == (1, 0, False)
        channel.samples.put_nowait(2.0)
        assert (await anext(second)).load == 2.0
        async with aclosing(shared.subscribe()) as late:
            assert (await anext(late)).load == 2.0
    assert (channel.opened, channel.closed, shared.is_idle) == (1, 1, True)


async def test_what_ends_the_source_ends_every_look_and_the_next_one_starts_anew() -> None:
    channel = Channel()
    shared = SampleBroadcast(channel)
    async with aclosing(shared.subscribe()) as first, aclosing(shared.subscribe()) as second:
        channel.samples.put_nowait(1.0)
        assert [(await anext(one)).load for one in (first, second)] == [1.0, 1.0]
        channel.samples.put_nowait(None)
        for one in (first, second):
            with pytest.raises(Unreachable, match="the link was lost"):
                await anext(one)
    channel.samples.put_nowait(3.0)
    async with aclosing(shared.subscribe()) as again:
        assert (await anext(again)).load == 3.0
    assert (channel.opened, channel.closed) == (2, 2)


async def test_a_look_that_is_cancelled_leaves_nothing_behind() -> None:
    channel = Channel()
    shared = SampleBroadcast(channel)

    async def subscribe() -> None:
        async with aclosing(shared.subscribe()) as samples:
            async for _ in samples:
                pass

    looking = asyncio.create_task(subscribe())
    async with asyncio.timeout(DEADLINE_S):
        while not channel.opened:
            await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait([looking])
    assert (channel.closed, shared.is_idle) == (1, True)


async def test_a_channel_that_ends_is_told() -> None:
    pieces = [b"1 load 0.5\n1 e", b"nd\n", b""]

    async def read() -> bytes:
        return pieces.pop(0)

    async with aclosing(read_samples(read, "'far'")) as samples:
        assert (await anext(samples)).load == 0.5
        with pytest.raises(Unreachable, match="'far'"):
            await anext(samples)


SLICED = MachineSample(
    datetime.now(UTC),
    gpus=(
        GpuSample(0, "A100", "GPU-aa11"),
        GpuSample(1, "A100", "GPU-bb22"),
        GpuSample(1, "3g.20gb", "MIG-c7384736", 0),
        GpuSample(1, "3g.20gb", "MIG-a28ad590", 1),
    ),
    processes=tuple(GpuProcess(pid, uuid, "") for pid, uuid in enumerate(("GPU-aa11", "MIG-c7384736", "MIG-a28ad590"))),
)


@pytest.mark.parametrize(
    ("visible", "gpus", "processes"),
    [
        (None, ["GPU-aa11", "GPU-bb22", "MIG-c7384736", "MIG-a28ad590"], [0, 1, 2]),
        ("", [], []),
        ("0", ["GPU-aa11"], [0]),
        ("GPU-aa", ["GPU-aa11"], [0]),
        ("1, 0", ["GPU-aa11", "GPU-bb22", "MIG-c7384736", "MIG-a28ad590"], [0, 1, 2]),
        ("MIG-a28ad590", ["GPU-bb22", "MIG-a28ad590"], [2]),
        ("-1", [], []),
        ("9,NoDevFiles,G", [], []),
    ],
)
def test_a_task_sees_the_gpus_it_was_given_and_what_runs_on_them(
    visible: str | None, gpus: list[str], processes: list[int]
) -> None:
    seen = select_visible_gpus(SLICED, visible)
    assert [gpu.uuid for gpu in seen.gpus] == gpus
    assert [process.pid for process in seen.processes] == processes
