"""Listing the bids of the cloud, against the same answers through bare httpx and json."""

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

ROUNDS = {1_000: 9, 10_000: 6}
GOALS = {1_000: 1.4, 10_000: 1.8}
_TLS = httpx.create_ssl_context()


def measure() -> list[Row]:
    return [row for bids in ROUNDS for row in _measure(bids)]


def _measure(bids: int) -> list[Row]:
    program = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pages_program.py")), str(bids)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as state, program:
        os.environ["FLOW_STATE_DIR"] = state
        try:
            return asyncio.run(_rows(program.stdout.readline().strip(), bids))
        finally:
            program.communicate()


async def _rows(url: str, bids: int) -> list[Row]:
    """Interleaved; the first round loads what is loaded once. Both sides open new connections in each round."""
    context = Context("cloud", "mithril", {"api_url": url, "api_key": "fkey_bench", "project": "proj_1"})
    bare, first, unchanged = [], [], []
    for _ in range(ROUNDS[bids] + 1):
        bare.append(await _bare_ms(url, bids))
        async with AsyncFlow(context) as flow:
            first.append(await _list_ms(flow, bids))
            unchanged.append(min([await _list_ms(flow, bids) for _ in range(2)]))
    base, listed, polled = median(bare[1:]), median(first[1:]), median(unchanged[1:])
    note = f"{listed:.0f} ms, httpx and json {base:.0f} ms"
    return [
        Row(f"list {bids:,} bids", listed / base, GOALS[bids], "x", note),
        Row("the same again, unchanged", polled / listed, 0.2, "x", f"{polled:.1f} ms"),
    ]


async def _bare_ms(url: str, bids: int) -> float:
    """The answers that a new client asks for, one after another."""
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=url, verify=_TLS) as client:
        for path in _paths(bids):
            json.loads((await client.get(path)).content)
    return (time.perf_counter() - started) * 1000


def _paths(bids: int) -> list[str]:
    cursors = ["", *(f"&next_cursor=page-{start}" for start in range(100, bids, 100))]
    ids = [f"bid_{number:08d}" for number in range(100)]
    chunks = [",".join(ids[start : start + 50]) for start in range(0, len(ids), 50)]
    return [
        "/v2/projects",
        *(f"/v2/spot/bids?limit=100{cursor}" for cursor in cursors),
        *(f"/v2/instances?limit=100&bid_fid_in={chunk}" for chunk in chunks),
        *("/v2/instance-types", "/v2/spot/availability", "/v2/me", "/v2/me/teammates"),
    ]


async def _list_ms(flow: AsyncFlow, bids: int) -> float:
    started = time.perf_counter()
    assert len(await flow.list_tasks(limit=10_001)) == bids
    return (time.perf_counter() - started) * 1000
