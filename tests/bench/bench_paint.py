"""A task writes a line; how long until it is on the terminal."""

from __future__ import annotations

import re
import time

from bench.table import Row, median, p95
from bench.world import dashboard, world
from testbed.pty_screen import Screen

LINES = 60
# The task stamps its lines itself, by the clock that this process reads.
WRITER = (
    "python3 -u -c 'import time, itertools\n"
    'for i in itertools.count(): print(f"painted-{i}-{time.time_ns()}-end"); time.sleep(0.1)\''
)
_STAMPED = re.compile(rb"painted-(\d+)-(\d+)-end")


def measure() -> list[Row]:
    with world(commands={"writer": WRITER}) as environment, dashboard(environment) as screen:
        screen.wait_for("painted-", 20)
        took = _delays_ms(screen)
    return [Row("line written to painted, p95", p95(took), 50, "ms", f"median {median(took):.1f} ms")]


def _delays_ms(screen: Screen) -> list[float]:
    """Counts a line when it is first seen, and only lines newer than the first look."""
    began_ns, took, seen = time.time_ns(), [], set()
    deadline = time.monotonic() + 60
    while len(took) < LINES:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(took)} of {LINES} lines were painted in 60 s:\n{screen.framed()}")
        arrived = len(screen.raw)
        if not screen.pump(1.0):
            continue
        now_ns = time.time_ns()
        for number, stamp in _STAMPED.findall(screen.raw, max(0, arrived - 80)):
            if number not in seen and int(stamp) > began_ns:
                took.append((now_ns - int(stamp)) / 1e6)
            seen.add(number)
    return took
