"""Counting matches in a large log as it is shown, against `grep -c` on its bytes; the first match, and giving up."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from bench.table import Row, median

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.log_search import LogSearch
from flow_core.logs.search.query import SearchQuery

BYTES = 512 << 20
PIECE = 16 << 20
ROUNDS = 5
TMPFS = "/dev/shm"
SELECTIVE = r"allocate 4[0-9]{2} GiB"
HARD = r"rank[0-9] step=1[0-9]{3}7 .*nccl=0\.99"
COUNTS = (
    # name, kind of log, pattern, whether case matters (None: smart case), goal
    ("search, selective / grep", "plain", SELECTIVE, True, 1.2),
    ("search, hard / grep", "plain", HARD, True, 1.2),
    ("search, colours, selective", "coloured", SELECTIVE, True, 3.0),
    ("search, colours, hard", "coloured", HARD, True, 3.0),
    ("search, smart case", "plain", SELECTIVE.lower(), None, 6.0),
    ("search, smart case, unicode", "unicode", SELECTIVE.lower(), None, 6.0),
    ("search, unicode letters", "unicode", r"größe=\w+ ✓ rank7 step=1[0-9]{3}7", True, 6.0),
)


def measure() -> list[Row]:
    with make_logs() as logs:
        rows = [
            measure_count(name, logs[kind], SearchQuery(pattern, False, cased), goal)
            for name, kind, pattern, cased, goal in COUNTS
        ]
        rows += asyncio.run(measure_steps(logs["plain"]))
        return rows


@contextmanager
def make_logs() -> Iterator[dict[str, SpoolFiles]]:
    """One log of each kind in memory, so that no disk is measured."""
    with tempfile.TemporaryDirectory(dir=TMPFS if os.path.isdir(TMPFS) else None) as folder:
        logs = {}
        for kind in ("plain", "coloured", "unicode"):
            logs[kind] = SpoolFiles.at(Path(folder) / kind)
            piece = b"".join(make_lines(kind))
            with logs[kind].log.open("wb") as log:
                for _ in range(BYTES // PIECE // (1 if kind == "plain" else 2)):
                    log.write(piece)
        yield logs


def make_lines(kind: str) -> Iterator[bytes]:
    """Lines of 16 MiB of a training with eight ranks."""
    chance, size, step = random.Random(1), 0, 0
    while size < PIECE:
        step += 1
        line = (
            f"2026-03-0{chance.randrange(1, 9)} 12:{chance.randrange(60):02}:{chance.randrange(60):02} INFO "
            f"rank{chance.randrange(8)} step={step % 20000} loss={chance.random() * 3:.4f} lr=3.0e-4 "
            f"tok/s={chance.randrange(90000)} mem={chance.randrange(80)} GiB nccl={chance.random():.2f}\n"
        )
        if chance.random() < 1e-5:
            line = f"2026-03-01 12:00:00 ERROR tried to allocate {chance.randrange(400, 500)} GiB on rank3\n"
        if kind == "coloured":
            line = line.replace("INFO", "\x1b[32mINFO\x1b[0m").replace("loss", "\x1b[1mloss\x1b[0m")
        elif kind == "unicode":
            line = line.replace("INFO", "INFO größe=übergröße ✓")
        data = line.encode()
        size += len(data)
        yield data


def measure_count(name: str, files: SpoolFiles, query: SearchQuery, goal: float) -> Row:
    """Counts with both in turns. The child processes run already, as they do while a search is open."""

    async def run() -> Row:
        ours, theirs = [], []
        search = LogSearch(files, query)
        matches = 0
        for number in range(ROUNDS + 1):
            search._counter._final = 0  # a new count in the same processes
            ours_s, matches = await time_count(search)
            theirs_s = time_grep(files.log, query.pattern)
            if number:
                ours.append(ours_s)
                theirs.append(theirs_s)
        await search.close()
        ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
        size = files.log.stat().st_size
        return Row(name, ratio, goal, "x", f"{median(ours) * 1e9 / size:.2f} s/GB, {matches} matches")

    return asyncio.run(run())


async def time_count(search: LogSearch) -> tuple[float, int]:
    start, matches = time.perf_counter(), 0
    async with aclosing(search.count()) as steps:
        async for progress in steps:
            matches = progress.matches
    return time.perf_counter() - start, matches


def time_grep(path: Path, pattern: str) -> float:
    start = time.perf_counter()
    subprocess.run(["grep", "-cE", pattern, str(path)], env={**os.environ, "LC_ALL": "C"}, capture_output=True)
    return time.perf_counter() - start


async def measure_steps(files: SpoolFiles) -> list[Row]:
    search = LogSearch(files, SearchQuery("tok/s=4"))
    await search.next((0, 0))
    size, near = files.log.stat().st_size, []
    chance = random.Random(3)
    for _ in range(30):
        position = (chance.randrange(size), 0)
        near.append(await time_call(lambda: search.next(position)))  # noqa: B023 - called in this round
        near.append(await time_call(lambda: search.previous(position)))  # noqa: B023
    await search.close()
    give_up = [await time_cancel() for _ in range(ROUNDS)]
    return [
        Row("a match near the cursor", max(near) * 1000, 50, "ms", f"the slowest of {len(near)}, forward and backward"),
        Row("giving up", max(give_up) * 1000, 50, "ms", "a pattern that backtracks for ever, the slowest"),
    ]


async def time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    await call()  # type: ignore[misc]
    return time.perf_counter() - start


async def time_cancel() -> float:
    with tempfile.TemporaryDirectory() as folder:
        files = SpoolFiles.at(Path(folder) / "log")
        files.log.write_bytes(b"a" * 64 + b"!\n")
        search = LogSearch(files, SearchQuery("(a+)+$", literal=False))
        running = asyncio.ensure_future(search.next((0, 0)))
        await asyncio.sleep(0.3)
        start = time.perf_counter()
        running.cancel()
        await asyncio.wait((running,))
        took = time.perf_counter() - start
        await search.close()
        return took
