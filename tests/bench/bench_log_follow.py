"""The pane while another process fills its log: as fast as it can, 500,000 lines a second, and then in bursts."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.log_world import LETTERS, SHARE, SIZE_MB, LogWorld, following, log_world, restart
from bench.log_writer import make_spool
from bench.painted import look, make_word, rss_mb, take, time_keys_ms, wait_shown
from bench.table import Row, median, p95
from testbed.pty_screen import Screen

ROUNDS = 5
LINES_PER_S = 500_000
FLOOD_S = 20 * SHARE
BURSTS_S = 60 * SHARE
BURST_LINES_PER_S = 20_000
_READER = """
import asyncio, sys
async def main():
    cat = await asyncio.create_subprocess_exec("cat", sys.argv[1], stdout=asyncio.subprocess.PIPE, limit=1 << 20)
    count, rest = 0, b""
    while data := await cat.stdout.read(1 << 18):
        *lines, rest = (rest + data).split(b"\\n")
        count += len(lines)
    print(count)
asyncio.run(main())
"""


def measure() -> list[Row]:
    with log_world() as logs, following(logs) as screen:
        return [_fill(logs, screen), *_flood(logs, screen)]


def _fill(logs: LogWorld, screen: Screen) -> Row:
    """From the start of `cat` to the last line on the screen; beside a program that reads and splits the same lines."""
    source = logs.folder / "source"
    lines = make_spool(source, SIZE_MB)
    pairs = []
    for _ in range(ROUNDS + 1):
        restart(logs, screen)
        pairs.append((_fill_s(logs, screen, source), _split_s(source, lines)))
        assert f"{lines + 2:,} lines" in screen.wait_for(f"{lines + 2:,} lines")
    source.unlink()
    ours, theirs = (median(values) for values in zip(*pairs[1:], strict=True))
    note = f"{SIZE_MB / ours:.0f}/{SIZE_MB / theirs:.0f} MB/s"
    return Row("as fast as cat, of reading and splitting", theirs / ours, 0.5, "x", note, is_minimum=True)


def _fill_s(logs: LogWorld, screen: Screen, source: Path) -> float:
    word, started = make_word(), time.monotonic()
    with logs.spool.open("ab") as spool:
        subprocess.run(["cat", source], check=True, stdout=spool)
    logs.append(f"{word}\n")
    took = wait_shown(screen, word) - started
    assert word in look(screen)
    return took


def _split_s(source: Path, lines: int) -> float:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", _READER, source], check=True, capture_output=True)
    assert int(done.stdout) == lines
    return time.monotonic() - started


def _flood(logs: LogWorld, screen: Screen) -> list[Row]:
    restart(logs, screen)
    before_mb = rss_mb(screen.pid)
    keys = _type_during(logs, screen, LINES_PER_S, FLOOD_S)
    lines = 1 + round(LINES_PER_S * FLOOD_S)
    text = screen.wait_for(f"{lines:,} lines", 20)
    assert f"{lines - 2:09}" in text, text
    full_mb = rss_mb(screen.pid)
    burst_keys, grown_mb = _burst(logs, screen)
    return [
        Row("500,000 lines/s, key p95", p95(keys), 40, "ms", f"{len(keys)} keys, median {median(keys):.1f} ms"),
        Row("RSS grown by them", full_mb - before_mb, 40, "MB", f"{lines:,} lines, none lost"),
        Row("RSS with them open", full_mb, 130, "MB", f"{before_mb:.0f} MB before"),
        Row(
            "RSS grown by bursts",
            grown_mb,
            5,
            "MB",
            f"second half of {BURSTS_S:g} s of bursts",
        ),
        Row("bursts, key p95", p95(burst_keys), 40, "ms", f"{len(burst_keys)} keys"),
    ]


def _burst(logs: LogWorld, screen: Screen) -> tuple[list[float], float]:
    """Bursts of half a second, with pauses of the same length. Returns the delays of keys, and the growth in MB.

    The growth is that of the second half: the first one fills bounded caches.
    """
    keys: list[float] = []
    began, before_mb = time.monotonic(), None
    while time.monotonic() < began + BURSTS_S:
        if before_mb is None and time.monotonic() > began + BURSTS_S / 2:
            before_mb = rss_mb(screen.pid)
        keys += _type_during(logs, screen, BURST_LINES_PER_S, 0.5)
        pause = time.monotonic() + 0.5
        while (left := pause - time.monotonic()) > 0:
            take(screen, left)
    return keys, 0.0 if before_mb is None else rss_mb(screen.pid) - before_mb


def _type_during(logs: LogWorld, screen: Screen, rate: int, seconds: float) -> list[float]:
    """Types into the search line while lines come; returns the delays of the keys in ms."""
    screen.send("/")
    wait_shown(screen, "regular")
    with logs.writer("lines", str(logs.spool), str(rate), str(seconds)) as writer:
        keys = time_keys_ms(screen, LETTERS, lambda _: writer.poll() is not None)
        assert writer.returncode == 0
    screen.send("esc")
    return keys
