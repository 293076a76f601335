"""The shell pane: a flood beside the same in tmux, a key until it is painted, memory, rest."""

from __future__ import annotations

import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from painted import rss_mb, strip_sequences, take, wait_painted
from table import Row, median, p95
from testbed.pty_screen import Screen
from world import dashboard, world

FLOOD_MB = 50
ROUNDS = 3
KEYS = 120
IDLE_S = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")
_LETTERS = string.ascii_letters


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, world(commands={"bench": "sleep 600"}) as environment:
        flood = Path(folder) / "flood"
        flood.write_bytes(b"".join(b"%08d %s\n" % (n, b"x" * 70) for n in range(FLOOD_MB * 1_000_000 // 80)))
        rows = _beside_tmux(environment, flood)
        lags = _lags_ms(environment, flood, Path(folder) / "lags")
        return [*rows, Row("loop lag in a flood, p95", p95(lags), 35, "ms", f"max {max(lags):.0f} ms")]


def _beside_tmux(environment: dict[str, str], flood: Path) -> list[Row]:
    with dashboard(environment) as pane, _tmux(environment) as tmux, _bare(environment) as bare:
        pane.wait_for("running", 20)
        idle_before = _idle_percent(pane)
        _enter(pane)
        echo, bare_echo = _echo_ms(pane), _echo_ms(bare)
        before_mb = rss_mb(pane.pid)
        pairs = [(_flood_s(pane, flood), _flood_s(tmux, flood)) for _ in range(ROUNDS)]
        grown_mb = rss_mb(pane.pid) - before_mb
        idle = _idle_percent(pane)
    note = "  ".join(f"{ours:.2f}/{theirs:.2f}" for ours, theirs in pairs) + " s, pane/tmux"
    return [
        Row(f"cat {FLOOD_MB} MB, pane to tmux", median([ours / theirs for ours, theirs in pairs]), 1.3, "x", note),
        Row("RSS grown by the flood", grown_mb, 60, "MB"),
        Row(
            "key to paint over bare, p95", p95(echo) - p95(bare_echo), 6, "ms", f"{p95(echo):.1f}/{p95(bare_echo):.1f}"
        ),
        Row("idle shell", max(0.0, idle - idle_before), 0.5, "%", f"over the dashboard's own {idle_before:.1f} %"),
    ]


@contextmanager
def _tmux(environment: dict[str, str]) -> Iterator[Screen]:
    """A terminal inside tmux; its server, which would outlive the terminal, ends with it."""
    tmux = ["tmux", "-L", f"flow-bench-{os.getpid()}", "-f", "/dev/null"]
    try:
        with Screen([*tmux, "new-session", "bash --norc"], environment | {"PS1": "$ "}, columns=120, rows=36) as screen:
            yield screen
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, stderr=subprocess.DEVNULL)


def _bare(environment: dict[str, str]) -> Screen:
    return Screen(["bash", "--norc"], environment | {"PS1": "$ "}, columns=120, rows=36)


def _enter(screen: Screen) -> None:
    screen.wait_for("bench", 20)
    screen.wait_for("running", 20)
    screen.settle()
    screen.send("s")
    screen.wait_for("ctrl+] leaves", 20)
    screen.settle(0.5)


def _flood_s(screen: Screen, flood: Path) -> float:
    word = "".join(random.choices(_LETTERS, k=8))
    started = time.monotonic()
    screen.send(f"cat {flood}; echo {word[:4]}''{word[4:]}", "enter")
    wait_painted(screen, word.encode())
    took = time.monotonic() - started
    screen.settle(0.3)
    return took


def _echo_ms(screen: Screen) -> list[float]:
    """Letters that were not on the line, so that none is found before it was typed."""
    screen.send("exec 3>&1; cat >/dev/null", "enter")
    screen.settle(0.3)
    took = []
    for number in range(KEYS):
        letter = _LETTERS[number % len(_LETTERS)]
        while take(screen, 0.02):
            pass
        at, started = len(screen.raw), time.monotonic()
        screen.send(letter)
        while letter.encode() not in strip_sequences(bytes(screen.raw[at:])):
            if time.monotonic() - started > 5:
                raise SystemExit(f"{letter} was not painted:\n{screen.framed()}")
            take(screen, 0.05)
        took.append((time.monotonic() - started) * 1000)
        if number % 40 == 39:
            screen.send("enter")
    screen.send("\x03")
    screen.settle(0.3)
    return took


def _lags_ms(environment: dict[str, str], flood: Path, file: Path) -> list[float]:
    argv = [sys.executable, str(Path(__file__).parent / "lag_probe.py"), str(file)]
    with Screen(argv, environment | {"PYTHONPATH": os.getcwd()}, columns=120, rows=36) as screen:
        _enter(screen)
        before = len(file.read_text(encoding="utf-8").split()) if file.exists() else 0
        _flood_s(screen, flood)
        screen.settle(1.0)
        return [float(lag) for lag in file.read_text(encoding="utf-8").split()[before:]]


def _idle_percent(screen: Screen) -> float:
    screen.settle(1.0)
    before = _cpu_ticks(screen.pid)
    until = time.monotonic() + IDLE_S
    while time.monotonic() < until:
        screen.pump(0.2)
    return (_cpu_ticks(screen.pid) - before) / _TICKS / IDLE_S * 100


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
