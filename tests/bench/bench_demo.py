"""`flow-tui --demo` until the tasks of its emulated cloud are on the screen."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.painted import picture, wait_shown, watch
from bench.table import Row, median
from bench.world import isolated
from testbed.pty_screen import Screen

ROUNDS = 5
SHOWN = "train-llama-8b"


def measure() -> list[Row]:
    """The first round, which fills caches, is thrown away."""
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder, isolated(Path(folder)) as environment:
        took = [_start_s(environment) for _ in range(ROUNDS + 1)][1:]
    return [Row("flow-tui --demo to live rows", median(took), 1.2, "s", f"the slowest {max(took):.2f} s")]


def _start_s(environment: dict[str, str]) -> float:
    argv = [sys.executable, "-m", "flow_tui", "--demo"]
    with Screen(argv, environment, columns=120, rows=36) as screen:
        took = wait_shown(screen, SHOWN) - screen.started_at
        watch([screen], 0.5)
        assert "running" in picture(screen), picture(screen)
        screen.send("q")
        screen.wait_exit(30)
        return took
