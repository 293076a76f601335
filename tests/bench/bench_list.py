"""The first list of a program, and the same list again, with many ended tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack

from bench.ended_tasks import ended_world
from bench.table import Row, median

ROUNDS = 5
SIZES = (100, 1_000, 10_000)
_PROGRAM = """
import asyncio, json, time
from flow_core import AsyncFlow
async def main():
    took = []
    async with AsyncFlow("local") as flow:
        for _ in range(21):
            started = time.perf_counter()
            tasks = await flow.list_tasks(limit=10)
            took.append((time.perf_counter() - started) * 1000)
            assert len(tasks) == 10
            names = [task.name for task in tasks]
    print(json.dumps([took, names]))
asyncio.run(main())
"""


def measure() -> list[Row]:
    """Interleaved; the first round, in which whatever is kept between programs is made, is thrown away."""
    rounds: dict[int, list[list[float]]] = {size: [] for size in SIZES}
    with ExitStack() as stack:
        worlds = {size: stack.enter_context(ended_world(size)) for size in SIZES}
        for _ in range(ROUNDS + 1):
            for size, world in worlds.items():
                rounds[size].append(_list_ms(world, size))
    rows = []
    for size, took in rounds.items():
        note = f"in a new process; the very first list took {took[0][0]:.0f} ms"
        rows.append(Row(f"first list of 10 of {size:,} tasks", median(one[0] for one in took[1:]), 60, "ms", note))
    for size, took in rounds.items():
        again = median(median(one[1:]) for one in took[1:])
        rows.append(Row(f"the same list again, {size:,} tasks", again, 5, "ms", "nothing has changed"))
    return rows


def _list_ms(world: dict[str, str], size: int) -> list[float]:
    """Returns the milliseconds of 21 lists of one process."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env={**os.environ, **world}, check=True, capture_output=True
    )
    took, names = json.loads(done.stdout)
    assert f"past-{size - 1}" in names, names
    return list(took)
