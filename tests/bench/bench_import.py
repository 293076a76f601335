"""What `import flow_core` costs a script, above starting Python."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.table import Row, median

ROUNDS = 15


def measure() -> list[Row]:
    with_it, without = [], []
    for _ in range(ROUNDS + 1):
        without.append(_run_ms("pass"))
        with_it.append(_run_ms("import flow_core"))
    return [Row("import flow_core", median(with_it[1:]) - median(without[1:]), 15, "ms", "above python -c pass")]


def _run_ms(script: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True)
    return (time.perf_counter() - started) * 1000
