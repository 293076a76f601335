"""The shell pane, local and over ssh: a flood beside the same in tmux, a key until it is painted, memory, rest."""

from __future__ import annotations

import asyncio
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
from testbed.sshd import Sshd, find_sshd
from world import dashboard, world

from flow_core import AsyncFlow, TaskConfig

FLOOD_MB = 50
ROUNDS = 5
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
        lag = Row("loop lag in a flood, p95", p95(lags), 35, "ms", f"max {max(lags):.0f} ms")
        return [*rows, lag, *_over_ssh(Path(folder), flood)]


def _beside_tmux(environment: dict[str, str], flood: Path) -> list[Row]:
    with dashboard(environment) as pane, _tmux(environment) as tmux, _bare(environment) as bare:
        pane.wait_for("running", 20)
        idle_before = _idle_percent(pane)
        _enter(pane)
        echo, bare_echo = _echo_ms(pane), _echo_ms(bare)
        before_mb = rss_mb(pane.pid)
        flooded = _flood_row("", pane, tmux, flood, 1.1)
        grown_mb = rss_mb(pane.pid) - before_mb
        idle = _idle_percent(pane)
    return [
        flooded,
        _echo_row("", echo, bare_echo, 4),
        Row("RSS grown by the flood", grown_mb, 60, "MB"),
        Row("idle shell", max(0.0, idle - idle_before), 0.5, "%", f"over the dashboard's own {idle_before:.1f} %"),
    ]


def _over_ssh(folder: Path, flood: Path) -> list[Row]:
    """The same in a task on a host: beside a terminal of ssh, and beside ssh in tmux."""
    if find_sshd() is None:
        return []
    with _home(folder / "home") as environment:
        sshd = Sshd(folder / "sshd")
        sshd.start()
        config = Path(environment["HOME"], ".ssh", "config")
        config.write_text(sshd.config("StrictHostKeyChecking yes", name="far").read_text())
        ssh = f"ssh -F {config} -tt far bash --norc"
        asyncio.run(_start_on_host())
        try:
            with (
                dashboard(environment) as pane,
                _tmux(environment, ssh) as tmux,
                Screen(ssh.split(), environment | {"PS1": "$ "}, columns=120, rows=36) as bare,
            ):
                _enter(pane)
                bare.settle(1.0)
                echo, bare_echo = _echo_ms(pane), _echo_ms(bare)
                return [
                    _flood_row(" over ssh", pane, tmux, flood, 0.7),
                    _echo_row(" over ssh", echo, bare_echo, 3),
                ]
        finally:
            asyncio.run(_end_on_host())
            sshd.stop()


@contextmanager
def _home(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a user who has one host."""
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    config = home / "flow.yaml"
    config.write_text("contexts:\n  lab:\n    provider: hosts\n    hosts: [far]\ndefault: lab\n")
    before = dict(os.environ)
    names = {"HOME": home, "FLOW_STATE_DIR": home / "state", "FLOW_CONFIG": config, "FLOW_SLURM": "none"}
    environment = {name: str(value) for name, value in names.items()}
    os.environ.update(environment)
    try:
        yield environment
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _start_on_host() -> None:
    async with AsyncFlow("lab") as flow:
        await flow.run(TaskConfig(name="bench", unique_name=False, command="sleep 600"), wait=True)


async def _end_on_host() -> None:
    async with AsyncFlow("lab") as flow:
        for task in await flow.list_tasks():
            await task.cancel(force=True)
            await task.wait(30)


def _flood_row(place: str, pane: Screen, tmux: Screen, flood: Path, goal: float) -> Row:
    pairs = [(_flood_s(pane, flood), _flood_s(tmux, flood)) for _ in range(ROUNDS + 1)][1:]
    note = "  ".join(f"{ours:.2f}/{theirs:.2f}" for ours, theirs in pairs) + " s, pane/tmux"
    value = median([ours / theirs for ours, theirs in pairs])
    return Row(f"cat {FLOOD_MB} MB{place}, pane to tmux", value, goal, "x", note)


def _echo_row(place: str, echo: list[float], bare: list[float], goal: float) -> Row:
    note = f"p95 {p95(echo):.1f}/{p95(bare):.1f}, median {median(echo):.1f}/{median(bare):.1f}"
    return Row(f"key to paint{place} over bare, p95", p95(echo) - p95(bare), goal, "ms", note)


@contextmanager
def _tmux(environment: dict[str, str], command: str = "bash --norc") -> Iterator[Screen]:
    """A terminal inside tmux; its server, which would outlive the terminal, ends with it."""
    tmux = ["tmux", "-L", f"flow-bench-{os.getpid()}", "-f", "/dev/null"]
    try:
        with Screen([*tmux, "new-session", command], environment | {"PS1": "$ "}, columns=120, rows=36) as screen:
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
