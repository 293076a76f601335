"""What the SDK costs a script before it does anything: its imports beside those of the published SDK, a first list."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench import peers
from bench.table import Row, median
from bench.world import world

ROUNDS = 11


def measure() -> list[Row]:
    """Interleaved; the first round, which fills caches, is thrown away."""
    ours, theirs = sys.executable, peers.python_of(peers.SDK)
    cases = {
        "our pass": (ours, "pass"),
        "their pass": (theirs, "pass"),
        "our package": (ours, "import flow_core"),
        "their package": (theirs, "import flow"),
        "our Flow": (ours, "from flow_core import Flow"),
        "their Flow": (theirs, "from flow import Flow"),
        "our list": (ours, "from flow_core import Flow; assert len(Flow().list_tasks()) == 1"),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    with world(tasks=1):
        for _ in range(ROUNDS + 1):
            for name, (python, script) in cases.items():
                took[name].append(_run_ms(python, script))
    cost = {name: median(values[1:]) for name, values in took.items()}
    for name in cost:
        cost[name] -= 0 if name.endswith("pass") else cost[f"{name.split()[0]} pass"]
    return [
        _ratio("import flow_core, of import flow", cost["our package"], cost["their package"], 0.3),
        _ratio("from flow_core import Flow, of the published SDK's", cost["our Flow"], cost["their Flow"], 0.2),
        _ratio("import, Flow() and first list, of the same", cost["our list"], cost["their Flow"], 0.3),
    ]


def _ratio(name: str, ours_ms: float, theirs_ms: float, goal: float) -> Row:
    return Row(name, max(ours_ms, 0.0) / theirs_ms, goal, "x", f"{ours_ms:.1f}/{theirs_ms:.1f} ms, both above pass")


def _run_ms(python: str, script: str) -> float:
    environment = {**os.environ, **(peers.ALONE if python != sys.executable else {})}
    started = time.perf_counter()
    subprocess.run([python, "-c", script], check=True, env=environment)
    return (time.perf_counter() - started) * 1000
