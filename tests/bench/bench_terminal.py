"""The shell pane of a local task: a flood beside the same in tmux, a key until it is painted, memory, rest."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.painted import cpu_s, rss_mb, watch
from bench.shells import FLOOD_MB, echo_ms, enter, flood_s, tmux, write_flood
from bench.table import Row, median, p95
from bench.world import Environment, dashboard, world
from testbed.pty_screen import Screen

ROUNDS = 5
KEYS = 120
IDLE_S = 5.0


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, world(commands={"bench": "sleep 600"}) as environment:
        flood = Path(folder) / "flood"
        write_flood(flood)
        rows = _beside_tmux(environment, flood)
        lags = _lags_ms(environment, flood, Path(folder) / "lags")
        return [*rows, Row("loop lag in a flood, p95", p95(lags), 35, "ms", f"max {max(lags):.0f} ms")]


def _beside_tmux(environment: Environment, flood: Path) -> list[Row]:
    """Interleaved; the first flood of each is thrown away."""
    bare_shell = Screen(["bash", "--norc"], environment | {"PS1": "$ "}, columns=120, rows=36)
    with dashboard(environment) as pane, tmux(environment) as other, bare_shell as bare:
        pane.wait_for("running", 20)
        idle_before = _idle_percent(pane)
        enter(pane)
        echo, bare_echo = echo_ms([pane, bare], KEYS)
        before_mb = rss_mb(pane.pid)
        pairs = [(flood_s(pane, flood), flood_s(other, flood)) for _ in range(ROUNDS + 1)][1:]
        grown_mb = rss_mb(pane.pid) - before_mb
        idle = _idle_percent(pane)
    ours_s, theirs_s = (median(values) for values in zip(*pairs, strict=True))
    ratio = median(ours / theirs for ours, theirs in pairs)
    above_ms = p95(echo) - p95(bare_echo)
    return [
        Row("echo p95, local, above a bare PTY", above_ms, 4, "ms", f"{p95(echo):.1f}/{p95(bare_echo):.1f} ms"),
        Row(f"{FLOOD_MB} MB, local, of tmux", ratio, 1.1, "x", f"{ours_s:.2f}/{theirs_s:.2f} s"),
        Row("RSS grown by the floods", grown_mb, 60, "MB"),
        Row("idle shell", max(0.0, idle - idle_before), 0.5, "%", f"over the dashboard's own {idle_before:.1f} %"),
    ]


def _lags_ms(environment: Environment, flood: Path, file: Path) -> list[float]:
    argv = [sys.executable, str(Path(__file__).parent / "lag_probe.py"), str(file)]
    with Screen(argv, environment, columns=120, rows=36) as screen:
        enter(screen)
        before = len(file.read_text(encoding="utf-8").split()) if file.exists() else 0
        flood_s(screen, flood)
        screen.settle(1.0)
        return [float(lag) for lag in file.read_text(encoding="utf-8").split()[before:]]


def _idle_percent(screen: Screen) -> float:
    watch([screen], 1.0)
    before = cpu_s(screen.pid)
    watch([screen], IDLE_S)
    return (cpu_s(screen.pid) - before) / IDLE_S * 100
