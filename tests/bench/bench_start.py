"""Spawn to the first frame that shows a task, against an empty Textual app in the same terminal."""

from __future__ import annotations

import sys
import time

from table import Row, median
from testbed.pty_screen import Screen
from world import RUNNING, dashboard, world

ROUNDS = 7
EMPTY = (
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Empty(App):\n    def compose(self):\n        yield Static('an empty app')\n"
    "Empty().run()"
)


def measure() -> list[Row]:
    """Interleaved; the first round, which fills caches, is thrown away."""
    with world(97, dict.fromkeys(RUNNING, "sleep 600")) as environment:
        ours, empty = [], []
        for _ in range(ROUNDS + 1):
            ours.append(_seconds_to(dashboard(environment), RUNNING[-1].encode()))
            empty.append(_seconds_to(Screen([sys.executable, "-c", EMPTY], environment), b"an empty app"))
    mine, base = median(ours[1:]), median(empty[1:])
    note = f"{mine * 1000:.0f} ms against {base * 1000:.0f} ms, 100 tasks, 3 running"
    return [Row("first live frame", mine / base, 1.7, "x", note)]


def _seconds_to(screen: Screen, wanted: bytes) -> float:
    """Looks at the bytes, not at the picture: drawing it would slow down what is measured."""
    with screen:
        while wanted not in screen.raw:
            took = time.monotonic() - screen.started_at
            if not screen.pump(1.0) and took > 20:
                raise SystemExit(f"no {wanted!r} after {took:.0f} s:\n{screen.framed()}")
        return time.monotonic() - screen.started_at
