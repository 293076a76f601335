"""The pane while nested bars are redrawn: as fast as they can be written, and 20,000 times a second."""

from __future__ import annotations

import subprocess
import time
from importlib.util import find_spec
from itertools import pairwise

from bench.log_world import LETTERS, SHARE, SIZE_MB, LogWorld, following, log_world, restart
from bench.log_writer import make_redraws
from bench.painted import drain, make_word, rss_mb, time_keys_ms, wait_shown
from bench.table import Row, median, p95
from testbed.pty_screen import Screen

ROUNDS = 5
BLOCK_MB = SIZE_MB * 0.05
REDRAWS_PER_S = 20_000
FLOOD_S = 20 * SHARE
NATIVE = find_spec("pyghostty") is not None


def measure() -> list[Row]:
    with log_world() as logs, following(logs) as screen:
        return [_fill(logs, screen), *_flood(logs, screen)]


def _fill(logs: LogWorld, screen: Screen) -> Row:
    """From the start of `cat` until both bars are right; the outer one was drawn once, at the beginning."""
    source, redraws = logs.folder / "source", 0
    with source.open("wb") as file:
        while file.tell() < BLOCK_MB * 1_000_000:
            file.write(make_redraws(redraws, 1000))
            redraws += 1000
    size_mb, took = source.stat().st_size / 1_000_000, []
    for _ in range(ROUNDS + 1):
        took.append(_fill_s(logs, screen, source))
    source.unlink()
    note = f"{size_mb:.0f} MB of one block, {'with' if NATIVE else 'without'} the native core"
    speed = size_mb / median(took[1:])
    return Row("nested bars, exact on screen", speed, 20 if NATIVE else 5, "MB/s", note, is_minimum=True)


def _fill_s(logs: LogWorld, screen: Screen, source: object) -> float:
    restart(logs, screen)
    outer, inner = make_word(), make_word()
    started = time.monotonic()
    logs.append(f"\r{outer}")
    with logs.spool.open("ab") as spool:
        subprocess.run(["cat", str(source)], check=True, stdout=spool)
    logs.append(f"\n\r{inner}\x1b[A")
    drain(screen, 0.02, 0.5)
    screen.resize(screen._screen.columns, screen._screen.lines)
    screen.wait_for(lambda text: _is_right(text, outer, inner), 60)
    return time.monotonic() - started


def _is_right(text: str, outer: str, inner: str) -> bool:
    """Whether the inner bar is on the row below the outer one."""
    return any(outer in above and inner in below for above, below in pairwise(text.split("\n")))


def _flood(logs: LogWorld, screen: Screen) -> list[Row]:
    restart(logs, screen)
    outer = make_word()
    logs.append(f"\r{outer}")
    before_mb = rss_mb(screen.pid)
    screen.send("/")
    wait_shown(screen, "regular")
    with logs.writer("bars", str(logs.spool), str(REDRAWS_PER_S), str(FLOOD_S)) as writer:
        keys = time_keys_ms(screen, LETTERS, lambda _: writer.poll() is not None)
        ended = time.monotonic()
        assert writer.returncode == 0
    screen.wait_for(lambda text: _is_right(text, outer, f"{round(REDRAWS_PER_S * FLOOD_S) - 1:09}"), 60)
    late_ms = (time.monotonic() - ended) * 1000
    return [
        Row(
            "20,000 redraws/s, key p95", p95(keys), 40, "ms", f"{len(keys)} keys, exact {late_ms:.0f} ms after the end"
        ),
        Row("RSS grown by them", rss_mb(screen.pid) - before_mb, 40, "MB"),
    ]
