"""How long a submit takes to be durable."""

from __future__ import annotations

import asyncio
import time

from bench.table import Row, median, p95
from bench.world import world

from flow_core import AsyncFlow, TaskConfig

ROUNDS = 20


def measure() -> list[Row]:
    with world():
        took = asyncio.run(_submit())
    return [Row("submit, local, until it is durable", median(took), 25, "ms", f"p95 {p95(took):.0f} ms")]


async def _submit() -> list[float]:
    took = []
    async with AsyncFlow("local") as flow:
        for i in range(ROUNDS + 1):
            config = TaskConfig(name=f"bench-{i}", command="true")
            started = time.perf_counter()
            task = await flow.run(config)
            took.append((time.perf_counter() - started) * 1000)
            await task.wait(30)
    return took[1:]
