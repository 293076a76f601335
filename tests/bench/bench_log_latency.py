"""A line written to a log until it is painted, beside `tail -f` and toolong."""

from __future__ import annotations

import re
import select
import time
from contextlib import ExitStack

from bench import peers
from bench.log_world import log_world
from bench.log_writer import STAMP_EVERY_S, STAMPS_AT_ONCE
from bench.painted import get_grid, take
from bench.table import Row, median, p95
from bench.world import dashboard
from testbed.pty_screen import Screen

LINES = 200
FIRST = STAMPS_AT_ONCE
"""Lines that are not counted."""
_STAMPED = re.compile(r"painted-(\d+)-(\d+)-end")


def measure() -> list[Row]:
    with log_world() as logs, ExitStack() as stack:
        toolong = peers.program_of(peers.TOOLONG, "tl")
        spools = [logs.spool, logs.folder / "tail", logs.folder / "toolong"]
        for spool in spools:
            spool.write_text("begin\n", encoding="ascii")
        terminals = [
            Screen(argv, logs.environment, columns=120, rows=36)
            for argv in (["tail", "-f", str(spools[1])], [toolong, str(spools[2])])
        ]
        screens = [stack.enter_context(screen) for screen in (dashboard(logs.environment), *terminals)]
        for screen in screens:
            screen.wait_for("begin", 20)
            screen.settle(1.0)
        stack.enter_context(logs.writer("stamps", str(LINES + FIRST), *map(str, spools)))
        ours, tail, theirs = _read_delays_ms(screens)
    note = "  ".join(f"{p95(took):.1f} ({median(took):.1f})" for took in (ours, tail, theirs))
    note += " ms p95 (median), pane/tail/toolong"
    return [
        Row("written to painted, of tail", p95(ours) / p95(tail), 15, "x", note),
        Row("the same, of toolong", p95(ours) / p95(theirs), 0.1, "x"),
    ]


def _read_delays_ms(screens: list[Screen]) -> list[list[float]]:
    """Reads all terminals. Each of them gets some lines, one after the other, while the others have nothing to do."""
    by_fd = {screen._fd: screen for screen in screens}
    delays: dict[int, dict[int, float]] = {fd: {} for fd in by_fd}
    deadline = time.monotonic() + 3 * (LINES + FIRST) * STAMP_EVERY_S + 30
    while any(len(seen) < LINES + FIRST for seen in delays.values()):
        if time.monotonic() > deadline:
            raise SystemExit(f"lines painted: {[len(seen) for seen in delays.values()]}\n{screens[0].framed()}")
        for fd in select.select(list(by_fd), [], [], 1.0)[0]:
            take(by_fd[fd], 0)
            now_ns, grid = time.time_ns(), get_grid(by_fd[fd])
            for number, stamp in _STAMPED.findall("\n".join(map(grid.row, grid.touched))):
                delays[fd].setdefault(int(number), (now_ns - int(stamp)) / 1e6)
            grid.touched.clear()
    return [[seen[number] for number in sorted(seen)][FIRST:] for seen in delays.values()]
