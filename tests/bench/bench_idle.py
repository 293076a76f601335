"""What the dashboard costs while nothing happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

from table import Row
from testbed.pty_screen import Screen
from world import RUNNING, dashboard, world

SETTLE_S = 3.0
WINDOW_S = 10.0


def measure() -> list[Row]:
    if not Path("/proc/self/stat").exists():
        return []
    with world(20, dict.fromkeys(RUNNING, "sleep 600")) as environment, dashboard(environment) as screen:
        screen.wait_for(RUNNING[0], 20)
        _watch(screen, SETTLE_S)
        before = _cpu_s(screen.pid)
        _watch(screen, WINDOW_S)
        share = (_cpu_s(screen.pid) - before) / WINDOW_S * 100
    return [Row("idle CPU", share, 2, "%", f"of a core over {WINDOW_S:g} s, 3 tasks running")]


def _watch(screen: Screen, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        screen.pump(left)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
