"""What blocking calls cost above the same calls with async, and how fast each of them reads the lines of a log."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

from bench.table import Row, median
from bench.world import world

from flow_core import AsyncFlow, Flow

ROUNDS = 5
CALLS = 100
LINES = 200_000


def measure() -> list[Row]:
    """Interleaved; the first round is thrown away."""
    with world(tasks=1) as environment:
        (spool,) = Path(environment["FLOW_STATE_DIR"]).glob("local/*/contexts/local/tasks/task_*/attempt-0/rank-0.log")
        spool.write_bytes(b"".join(b"step %07d loss 0.1234 lr 3.0e-4 tokens/s 98765\n" % n for n in range(LINES)))
        with Flow("local") as flow:
            task_id = flow.list_tasks(limit=1)[0].task_id
            rounds = [_round(flow, task_id) for _ in range(ROUNDS + 1)][1:]
    awaited_ms, blocking_ms, async_s, blocking_s = (median(values) for values in zip(*rounds, strict=True))
    lines_note = f"{LINES / blocking_s:,.0f}/{LINES / async_s:,.0f} lines/s"
    return [
        Row("blocking call above async", blocking_ms - awaited_ms, 0.15, "ms", f"{awaited_ms:.2f} ms async"),
        Row("log lines, blocking, of async", async_s / blocking_s, 0.5, "x", lines_note, is_minimum=True),
    ]


def _round(flow: Flow, task_id: str) -> tuple[float, float, float, float]:
    awaited_ms, async_s = asyncio.run(_awaited(task_id))
    return awaited_ms, _status_ms(flow, task_id), async_s, _lines_s(flow, task_id)


async def _awaited(task_id: str) -> tuple[float, float]:
    """Returns the milliseconds of a call, and the seconds for all lines."""
    async with AsyncFlow("local") as flow:
        await flow.status(task_id)
        times = []
        for _ in range(CALLS):
            started = time.perf_counter()
            await flow.status(task_id)
            times.append((time.perf_counter() - started) * 1000)
        started, count = time.perf_counter(), 0
        async with aclosing(await flow.logs(task_id, follow=True)) as lines:
            async for _ in lines:
                count += 1
        assert count == LINES
        return median(times), time.perf_counter() - started


def _status_ms(flow: Flow, task_id: str) -> float:
    times = []
    for _ in range(CALLS):
        started = time.perf_counter()
        flow.status(task_id)
        times.append((time.perf_counter() - started) * 1000)
    return median(times)


def _lines_s(flow: Flow, task_id: str) -> float:
    started = time.perf_counter()
    assert sum(1 for _ in flow.logs(task_id, follow=True)) == LINES
    return time.perf_counter() - started
