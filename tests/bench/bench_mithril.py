"""Listing the bids of a cloud account, against the same pages through bare httpx and json; a list without a change."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from bench.table import Row, median

from flow_core import AsyncFlow
from flow_core.config import Context

ROUNDS = 5
GOALS = {1_000: 1.4, 10_000: 1.8}
UNCHANGED = 0.2


def measure() -> list[Row]:
    rows = []
    for bids, goal in GOALS.items():
        with _account(bids) as url, tempfile.TemporaryDirectory(prefix="flow-bench-") as state:
            os.environ["FLOW_STATE_DIR"] = state
            rows += asyncio.run(_rows(url, bids, goal))
    return rows


@contextmanager
def _account(bids: int) -> Iterator[str]:
    argv = [sys.executable, str(Path(__file__).with_name("pages_program.py")), str(bids)]
    program = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    with program:
        try:
            yield program.stdout.readline().strip()
        finally:
            program.communicate()


async def _rows(url: str, bids: int, goal: float) -> list[Row]:
    """Interleaved; the first round loads what is loaded once. Every bid has changed when it is parsed."""
    context = Context("cloud", "mithril", {"api_url": url, "api_key": "fkey_bench", "project": "proj_1"})
    starts = range(0, bids, 100)
    pages = [f"/v2/spot/bids?limit=100{f'&next_cursor=page-{start}' if start else ''}" for start in starts]
    pages += ["/v2/instances?limit=100"] * 2
    rounds = []
    async with AsyncFlow(context) as flow, httpx.AsyncClient(base_url=url) as client:
        for _ in range(ROUNDS + 1):
            fetched = await _pages_ms(client, pages, parse=False)
            bare = await _pages_ms(client, pages, parse=True)
            await client.get("/flip")
            changed = await _list_ms(flow, bids)
            rounds.append((fetched, bare, changed, await _list_ms(flow, bids)))
    fetched, bare, changed, unchanged = (median(values) for values in zip(*rounds[1:], strict=True))
    note = f"{changed:.0f}/{bare:.0f} ms; the first list took {rounds[0][2]:.0f} ms"
    parsed, checked = changed - fetched, max(0.0, unchanged - fetched)
    again = f"{checked:.0f}/{parsed:.0f} ms, both above the {len(pages)} requests alone ({fetched:.0f} ms)"
    return [
        Row(f"list {bids:,} typed bids, of httpx and json", changed / bare, goal, "x", note),
        Row(f"the same without a change, {bids:,} bids, of parsing", checked / parsed, UNCHANGED, "x", again),
    ]


async def _pages_ms(client: httpx.AsyncClient, pages: list[str], *, parse: bool) -> float:
    started = time.perf_counter()
    for page in pages:
        content = (await client.get(page)).content
        if parse:
            json.loads(content)
    return (time.perf_counter() - started) * 1000


async def _list_ms(flow: AsyncFlow, bids: int) -> float:
    started = time.perf_counter()
    assert len(await flow.list_tasks(limit=100_000)) == bids
    return (time.perf_counter() - started) * 1000
