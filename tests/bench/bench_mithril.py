"""Listing the bids of a cloud account, against the same answers through bare httpx and json; then without a change."""

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
_TLS = httpx.create_ssl_context()


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
    """Interleaved; the first round loads what is loaded once. Both sides open new connections in each round."""
    context = Context("cloud", "mithril", {"api_url": url, "api_key": "fkey_bench", "project": "proj_1"})
    rounds = []
    for _ in range(ROUNDS + 1):
        bare = await _bare_ms(url, bids)
        async with AsyncFlow(context) as flow:
            rounds.append((bare, await _list_ms(flow, bids), await _list_ms(flow, bids)))
    bare, listed, unchanged = (median(values) for values in zip(*rounds[1:], strict=True))
    return [
        Row(f"list {bids:,} typed bids, of httpx and json", listed / bare, goal, "x", f"{listed:.0f}/{bare:.0f} ms"),
        Row(
            f"the same list again, unchanged, {bids:,} bids, of parsing",
            unchanged / listed,
            UNCHANGED,
            "x",
            f"{unchanged:.1f}/{listed:.0f} ms, with their requests",
        ),
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
