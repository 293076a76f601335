"""A key in the log pane until its frame, while a search goes through the whole log, beside the same key at rest."""

from __future__ import annotations

import random
import re
import time

from bench.log_world import SIZE_MB, log_world
from bench.log_writer import make_spool
from bench.painted import picture, take, wait_shown
from bench.table import Row, median, p95
from bench.world import dashboard
from testbed.pty_screen import Screen

ROUNDS = 5
KEYS = 16
NEVER = r"(0\.\d+ )+x{}"
"""Matches nothing, slowly."""
_NUMBER = re.compile(r"00:00:00 (\d{9}) step=")


def measure() -> list[Row]:
    """Turns at rest and turns during a search; the first of each is thrown away."""
    rest: list[list[float]] = []
    searching: list[list[float]] = []
    with log_world() as logs:
        make_spool(logs.spool, SIZE_MB)
        with dashboard(logs.environment) as screen:
            _open_in_the_middle(screen)
            for number in range(ROUNDS + 1):
                rest.append(_keys_ms(screen))
                _search(screen, NEVER.format(number))
                searching.append(_keys_ms(screen))
                assert "searched" in picture(screen), picture(screen)
                screen.send("esc")
                _wait_s(screen, 0.5)
    at_rest, meanwhile = ([ms for turn in turns[1:] for ms in turn] for turns in (rest, searching))
    note = f"{p95(meanwhile):.1f}/{p95(at_rest):.1f} ms, medians {median(meanwhile):.1f}/{median(at_rest):.1f} ms"
    return [Row("key p95 during a search, of at rest", p95(meanwhile) / p95(at_rest), 1.3, "x", note)]


def _open_in_the_middle(screen: Screen) -> None:
    wait_shown(screen, "step=")
    screen.send("l")
    _wait_s(screen, 2.0)
    screen.send("k")
    _wait_s(screen, 0.5)


def _search(screen: Screen, pattern: str) -> None:
    screen.send("/")
    _wait_s(screen, 0.3)
    screen.send(pattern, "enter")
    _wait_s(screen, 0.3)


def _keys_ms(screen: Screen) -> list[float]:
    """Scrolls up row by row; returns the milliseconds until the row that came into view was painted."""
    top = int(_NUMBER.findall(picture(screen))[0])
    took = []
    for _ in range(KEYS):
        _wait_s(screen, random.uniform(0.02, 0.05))
        top = (top - 1) % 10_000
        started = time.monotonic()
        screen.send("k")
        took.append((wait_shown(screen, f"{top:09}", 10) - started) * 1000)
    return took


def _wait_s(screen: Screen, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        take(screen, left)
