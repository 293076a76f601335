"""The bytes that one move of the cursor sends to the terminal."""

from __future__ import annotations

from bench.ended_tasks import ended_world
from bench.painted import picture, take, watch
from bench.table import Row, median, p95
from bench.world import dashboard
from testbed.pty_screen import Screen

ENDED = 100
QUIET_S = 0.3
MOVES = 24
"""More than the rows in view of the smaller table, so that some moves scroll."""


def measure() -> list[Row]:
    """Counts bytes, so nothing is repeated. At the end of the list no age changes while it is looked at."""
    with ended_world(ENDED) as world, dashboard(world) as screen:
        screen.wait_for(f"past-{ENDED - 1}", 20)
        watch([screen], 2.0)
        beside_log = _moves(screen)
        screen.send("1")
        watch([screen], 0.5)
        assert picture(screen).count("✔ completed") > 25, picture(screen)
        alone = _moves(screen)
    return [
        Row("cursor move, table alone", median(alone) / 1000, 1.5, "kB", f"median of {len(alone)}"),
        Row("cursor move, the log follows", median(beside_log) / 1000, 4, "kB", f"median of {len(beside_log)}"),
        Row("the same, p95", p95(beside_log) / 1000, 6, "kB", "some of these moves scroll the table"),
    ]


def _moves(screen: Screen) -> list[int]:
    """Moves up from the last row and down again; returns the bytes of each move."""
    screen.send("G")
    watch([screen], 1.0)
    assert "▸ past-0 " in picture(screen), picture(screen)
    sent = [_bytes_of(screen, key) for key in [*["k"] * MOVES, *["j"] * MOVES]]
    assert "▸ past-0 " in picture(screen), picture(screen)
    return sent


def _bytes_of(screen: Screen, key: str) -> int:
    before = len(screen.raw)
    screen.send(key)
    while take(screen, QUIET_S):
        pass
    return len(screen.raw) - before
