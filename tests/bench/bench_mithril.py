"""Listing 1,000 bids of the cloud, against the same pages through bare httpx and json."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from table import Row, median

from flow_core import AsyncFlow
from flow_core.config import Context

ROUNDS = 9
PAGES = [f"/v2/spot/bids?limit=100{f'&next_cursor=page-{start}' if start else ''}" for start in range(0, 1000, 100)]
PAGES += ["/v2/instances?limit=100"] * 2


def measure() -> list[Row]:
    program = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pages_program.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as state, program:
        os.environ["FLOW_STATE_DIR"] = state
        try:
            return asyncio.run(_rows(program.stdout.readline().strip()))
        finally:
            program.communicate()


async def _rows(url: str) -> list[Row]:
    """Interleaved; the first round loads what is loaded once."""
    context = Context("cloud", "mithril", {"api_url": url, "api_key": "fkey_bench", "project": "proj_1"})
    bare, ours = [], []
    async with AsyncFlow(context) as flow, httpx.AsyncClient(base_url=url) as client:
        for _ in range(ROUNDS + 1):
            bare.append(await _bare_ms(client))
            ours.append(await _ours_ms(flow))
    base, value = median(bare[1:]), median(ours[1:])
    note = f"{value:.0f} ms, the pages alone {base:.0f} ms; the first list took {ours[0]:.0f} ms"
    return [Row("list 1,000 bids, 10 pages", value / base, 2, "x", note)]


async def _bare_ms(client: httpx.AsyncClient) -> float:
    started = time.perf_counter()
    for page in PAGES:
        json.loads((await client.get(page)).content)
    return (time.perf_counter() - started) * 1000


async def _ours_ms(flow: AsyncFlow) -> float:
    started = time.perf_counter()
    assert len(await flow.list_tasks(limit=10_000)) == 1000
    return (time.perf_counter() - started) * 1000
