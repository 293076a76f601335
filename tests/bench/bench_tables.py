"""Large tables that change each second: a key until its frame, and all rows anew, beside Textual's DataTable."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import peers
from bench.painted import picture, take, wait_painted, wait_shown, watch
from bench.table import Row, median, p95
from bench.world import isolated
from testbed.pty_screen import Screen

KEYS = 84
ROUNDS = 5
TURN = 12
"""Keys in one direction: fewer than the rows in view, so that nothing scrolls."""
HERE = Path(__file__).parent
LAST_IN_VIEW = 25
_FILES = ("live_tasks_program.py", "resource_table_program.py", "data_table_program.py")


def measure() -> list[Row]:
    """The programs take turns, key by key. The first turn of each is thrown away."""
    with ExitStack() as stack:
        stack.enter_context(isolated(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flow-bench-")))))
        screens = {name: stack.enter_context(screen) for name, screen in _programs().items()}
        for name, screen in screens.items():
            wait_shown(screen, _name(name, 0), 90)
        watch(screens.values(), 3.0)
        keys: dict[str, list[float]] = {name: [] for name in screens}
        for number in range(KEYS + TURN):
            for name, screen in screens.items():
                keys[name].append(_key_ms(screen, name, number))
        assert all("step" in picture(screen) for screen in screens.values()), picture(screens["10k"])
        renewed = {name: _renewed_ms(screens[name]) for name in ("table 10k", "DataTable 10k")}
    late = {name: p95(took[TURN:]) for name, took in keys.items()}
    note = f"{late['10k']:.0f}/{late['DataTable 10k']:.0f} ms, p95 of {KEYS} keys"
    fresh = {name: median(took[1:]) for name, took in renewed.items()}
    fresh_note = f"{fresh['table 10k']:.0f}/{fresh['DataTable 10k']:.0f} ms, from the key to the last row in view"
    return [
        Row("key to frame, 10,000 live tasks, of DataTable", late["10k"] / late["DataTable 10k"], 0.25, "x", note),
        Row(
            "the same, 100,000 tasks, of 10,000",
            late["100k"] / late["10k"],
            1.5,
            "x",
            f"{late['100k']:.0f}/{late['10k']:.0f} ms",
        ),
        Row(
            "the table alone, 100,000 rows, of 10,000",
            late["table 100k"] / late["table 10k"],
            1.5,
            "x",
            f"{late['table 100k']:.0f}/{late['table 10k']:.0f} ms",
        ),
        Row(
            "10,000 rows anew, of DataTable's clear and add",
            fresh["table 10k"] / fresh["DataTable 10k"],
            0.01,
            "x",
            fresh_note,
        ),
    ]


def _programs() -> dict[str, Screen]:
    ours, theirs = sys.executable, peers.python_of(peers.TEXTUAL)
    live, table, data = (str(HERE / name) for name in _FILES)
    return {
        "10k": _open([ours, live, "10000"]),
        "100k": _open([ours, live, "100000"]),
        "table 10k": _open([ours, table, "10000"]),
        "table 100k": _open([ours, table, "100000"]),
        "DataTable 10k": _open([theirs, data, "10000"], peers.ALONE),
    }


def _open(argv: list[str], environment: dict[str, str] | None = None) -> Screen:
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return Screen(argv, path if environment is None else environment, columns=120, rows=36)


def _name(program: str, row: int, generation: int = 0) -> str:
    """The text of the first cell of a row."""
    return f"train-{row:06}" if program in ("10k", "100k") else f"g{generation}-{row:06}"


def _key_ms(screen: Screen, program: str, number: int) -> float:
    """Moves the cursor; returns the milliseconds until the row where it arrives was painted anew."""
    turn, step = divmod(number, TURN)
    row = step + 1 if turn % 2 == 0 else TURN - step - 1
    _wait_ms(random.uniform(20, 120), screen)
    at, started = len(screen.raw), time.monotonic()
    screen.send("down" if turn % 2 == 0 else "up")
    return (wait_painted(screen, _name(program, row).encode(), 30, since=at) - started) * 1000


def _renewed_ms(screen: Screen) -> list[float]:
    took = []
    for generation in range(1, ROUNDS + 2):
        _wait_ms(1500, screen)
        started = time.monotonic()
        screen.send("r")
        took.append((wait_shown(screen, _name("", LAST_IN_VIEW, generation)) - started) * 1000)
    return took


def _wait_ms(ms: float, screen: Screen) -> None:
    until = time.monotonic() + ms / 1000
    while (left := until - time.monotonic()) > 0:
        take(screen, left)
