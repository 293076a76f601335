"""A big log opened at its end, beside toolong; all its lines counted, beside `wc -l`; any of its lines read."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from contextlib import closing
from pathlib import Path

from bench import peers
from bench.log_world import SIZE_MB, LogWorld, log_world
from bench.log_writer import make_spool
from bench.painted import look, rss_mb, take, wait_shown
from bench.table import Row, median, p95
from bench.world import dashboard
from testbed.pty_screen import Screen

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.line_counter import LineCounter
from flow_core.logs.shown.shown_log import ShownLog

ROUNDS = 5
SETTLE_S = 3.0
READS = 500
LAST = "thelastline"


def measure() -> list[Row]:
    with log_world() as logs:
        lines = make_spool(logs.spool, SIZE_MB)
        counting = asyncio.run(_count(logs.spool, lines))
        logs.append(f"{LAST} {lines}\n")
        return [*_open(logs, f"{lines + 1:,} lines"), *counting]


def _open(logs: LogWorld, count: str) -> list[Row]:
    """Interleaved; the first round, which fills caches, is thrown away."""
    toolong = [peers.program_of(peers.TOOLONG, "tl"), str(logs.spool)]
    rounds = []
    for _ in range(ROUNDS + 1):
        ours_s, ours_mb = _open_once(dashboard(logs.environment), count)
        short_s = _open_short(logs)
        theirs_s, theirs_mb = _open_once(Screen(toolong, logs.environment, columns=120, rows=36), LAST)
        rounds.append((ours_s, ours_mb, short_s, theirs_s, theirs_mb))
    ours_s, ours_mb, short_s, theirs_s, theirs_mb = (median(values) for values in zip(*rounds[1:], strict=True))
    note = f"{ours_s * 1000:.0f}/{theirs_s * 1000:.0f} ms"
    return [
        Row(f"open {SIZE_MB} MB, of toolong", ours_s / theirs_s, 0.03, "x", note),
        Row("the same, of one line", ours_s / short_s, 1.1, "x", f"{ours_s * 1000:.0f}/{short_s * 1000:.0f} ms"),
        Row("RSS then, of toolong", ours_mb / theirs_mb, 0.12, "x", f"{ours_mb:.0f}/{theirs_mb:.0f} MB"),
    ]


def _open_short(logs: LogWorld) -> float:
    """Returns how long it takes to the only line of a log: what the dashboard takes to start, in s."""
    whole = logs.spool.rename(logs.spool.with_suffix(".whole"))
    logs.spool.write_text(f"{LAST}\n", encoding="ascii")
    took, _ = _open_once(dashboard(logs.environment), "1 line", 1.0)
    whole.rename(logs.spool)
    return took


def _open_once(screen: Screen, shown: str, settle_s: float = SETTLE_S) -> tuple[float, float]:
    """Returns how long it took to the last line on the screen, in s, and the memory `settle_s` later, in MB."""
    with screen:
        took = wait_shown(screen, LAST) - screen.started_at
        until = time.monotonic() + settle_s
        while (left := until - time.monotonic()) > 0:
            take(screen, left)
        memory = rss_mb(screen.pid)
        text = look(screen)
        assert LAST in text, text
        assert shown in text, text
    return took, memory


async def _count(spool: Path, lines: int) -> list[Row]:
    ours, theirs, lags = [], [], []
    for _ in range(ROUNDS + 1):
        counter = LineCounter(spool)
        watch = asyncio.create_task(_watch(lags))
        started = time.perf_counter()
        await counter.catch_up()
        ours.append(time.perf_counter() - started)
        watch.cancel()
        assert counter.line_count == lines
        started = time.perf_counter()
        subprocess.run(["wc", "-l", spool], check=True, stdout=subprocess.DEVNULL)
        theirs.append(time.perf_counter() - started)
    with closing(ShownLog(SpoolFiles.at(spool.with_suffix("")))) as log:
        log.refresh()
        took = [_read_ms(counter, log, random.randrange(lines)) for _ in range(READS)]
    ratio = median([our / their for our, their in zip(ours[1:], theirs[1:], strict=True)])
    note = f"{median(ours[1:]):.2f}/{median(theirs[1:]):.2f} s"
    return [
        Row("all lines counted, of wc -l", ratio, 5, "x", note),
        Row("loop lag meanwhile, max", max(lags), 50, "ms", f"p95 {p95(lags):.1f} ms"),
        Row("any line, p95", p95(took), 3, "ms", f"median {median(took):.2f} ms"),
    ]


async def _watch(lags: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append((time.perf_counter() - before - 0.005) * 1000)


def _read_ms(counter: LineCounter, log: ShownLog, number: int) -> float:
    started = time.perf_counter()
    offset = counter.find_line_start(number)
    assert offset is not None
    (line,) = log.lines_from(offset, 1)
    took = (time.perf_counter() - started) * 1000
    assert f"step={number % 10_000:06} " in line.text
    return took
