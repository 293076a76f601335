"""What a dashboard costs while nothing happens, beside other programs in the same minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import peers
from bench.bench_start import EMPTY
from bench.ended_tasks import ended_world
from bench.painted import cpu_s, picture, watch
from bench.table import Row, median
from bench.world import RUNNING, dashboard, running
from testbed.pty_screen import Screen

ROUNDS = 5
SETTLE_S = 5.0
WINDOW_S = 6.0


def measure() -> list[Row]:
    """All programs at once; the first window, in which they may still settle, is thrown away."""
    if not Path("/proc/self/stat").exists():
        return []
    with ExitStack() as stack:
        screens = dict(_open(stack))
        watch(screens.values(), SETTLE_S)
        windows = [_window(screens) for _ in range(ROUNDS + 1)][1:]
        for name, screen in screens.items():
            assert _SHOWN[name] in picture(screen), picture(screen)
    cpu = {name: median(window[name][0] for window in windows) for name in screens}
    sent = {name: median(window[name][1] for window in windows) for name in screens}
    others = ", ".join(f"{name} {cpu[name]:.2f} %" for name in ("empty app", "posting", "harlequin", "toolong"))
    return [
        Row("idle CPU, nothing running, 1,000 ended", cpu["1k"], 0.5, "%", f"of a core; {others}"),
        Row("idle CPU, nothing running, 10,000 ended", cpu["10k"], 0.5, "%", "of a core"),
        Row("idle CPU, 3 running, 1,000 ended", cpu["3 running"], 1, "%", "of a core"),
        Row("bytes to the terminal, idle, 3 running", sent["3 running"] / 1000, 1, "kB/s", "at 120x36"),
    ]


_SHOWN = {
    "1k": "past-999",
    "10k": "past-9999",
    "3 running": RUNNING[0],
    "empty app": "an empty app",
    "posting": "Collection",
    "harlequin": "Query Editor",
    "toolong": "Line nos",
}


def _open(stack: ExitStack) -> Iterator[tuple[str, Screen]]:
    for name, size in (("1k", 1_000), ("10k", 10_000)):
        world = stack.enter_context(ended_world(size))
        yield name, stack.enter_context(dashboard(world))
    world = stack.enter_context(ended_world(1_000, "idle"))
    stack.enter_context(running())
    yield "3 running", stack.enter_context(dashboard(world))
    alone = world | peers.ALONE
    for name, argv in {
        "empty app": [peers.python_of(peers.TEXTUAL), "-c", EMPTY],
        "posting": [peers.program_of(peers.POSTING, "posting")],
        "harlequin": [peers.program_of(peers.HARLEQUIN, "harlequin")],
        "toolong": [peers.program_of(peers.TOOLONG, "tl"), __file__],
    }.items():
        yield name, stack.enter_context(Screen(argv, alone, columns=120, rows=36))


def _window(screens: dict[str, Screen]) -> dict[str, tuple[float, float]]:
    """Returns the percentage of a core and the bytes per second of each program."""
    before = {name: (cpu_s(screen.pid), len(screen.raw)) for name, screen in screens.items()}
    watch(screens.values(), WINDOW_S)
    return {
        name: (
            (cpu_s(screen.pid) - before[name][0]) / WINDOW_S * 100,
            (len(screen.raw) - before[name][1]) / WINDOW_S,
        )
        for name, screen in screens.items()
    }
