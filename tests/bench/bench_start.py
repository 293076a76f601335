"""Spawn to live rows, to the last known screen, and to rest, beside an empty Textual app and other programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench import peers
from bench.ended_tasks import ended_world
from bench.painted import get_grid, make_word, picture, strip_sequences, take, wait_painted, wait_shown
from bench.table import Row, median
from bench.world import Environment, dashboard, end_tasks, isolated, start_tasks
from testbed.pty_screen import Screen

ROUNDS = 5
SIZES = (0, 100, 1_000, 10_000)
MARK = " ago; loading"
"""The last known screen is never shown without its age."""
QUIET_S = 0.3
"""A program that painted nothing for so long has started."""
FRAME = 20
"""A program whose text isn't known has painted its first frame with so many characters that aren't blank."""
EMPTY = (
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Empty(App):\n    def compose(self):\n        yield Static('an empty app')\n"
    "Empty().run()"
)
CONSTANT = ("run-one", "run-two")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Start:
    """The seconds from the spawn of a program until its text was painted, and until it painted no more.

    `last_screen_s` is the time to the last known screen; None if there was none before the live rows.
    """

    painted_s: float
    settled_s: float = 0.0
    last_screen_s: float | None = None


def measure() -> list[Row]:
    """Interleaved; the first round, which fills caches, is thrown away."""
    took: dict[str, list[Start]] = {}
    with ExitStack() as stack:
        worlds = {size: stack.enter_context(ended_world(size)) for size in SIZES}
        constant = {
            size: _in(world, lambda: start_tasks(dict.fromkeys(CONSTANT, "sleep 1200")))
            for size, world in worlds.items()
        }
        try:
            for _ in range(ROUNDS + 1):
                for name, start in _round(worlds):
                    took.setdefault(name, []).append(start)
        finally:
            for size, ids in constant.items():
                _in(worlds[size], lambda ids=ids: end_tasks(ids))
    return _rows({name: starts[1:] for name, starts in took.items()})


def _rows(took: dict[str, list[Start]]) -> list[Row]:
    first = {name: median(start.painted_s for start in starts) for name, starts in took.items()}
    rest = {name: median(start.settled_s for start in starts) for name, starts in took.items()}
    others = ", ".join(f"{name} {first[name] / first['empty']:.1f}x" for name in ("posting", "harlequin", "toolong"))
    sizes = [f"{size:,} tasks" for size in SIZES]
    rows = [_ratio(f"live rows, {size}", first[size], first["empty"], 1.5) for size in sizes]
    rows[-1] = _ratio(f"live rows, {sizes[-1]}", first[sizes[-1]], first["empty"], 1.5, f"; {others}")
    rows.append(_last_screen_row([start.last_screen_s for start in took[sizes[-1]]], first["print"]))
    return rows + [_ratio(f"settled, {size}", rest[size], rest["empty"], 2.0) for size in sizes]


def _last_screen_row(took_s: list[float | None], print_s: float) -> Row:
    name, known = "last known screen, of python printing", [seconds for seconds in took_s if seconds is not None]
    if len(known) < len(took_s):
        return Row(name, None, 4, "x", f"painted in {len(known)} of {len(took_s)} starts")
    return Row(name, median(known) / print_s, 4, "x", f"{median(known) * 1000:.0f}/{print_s * 1000:.0f} ms")


def _ratio(name: str, ours_s: float, empty_s: float, goal: float, more: str = "") -> Row:
    note = f"{ours_s * 1000:.0f}/{empty_s * 1000:.0f} ms{more}"
    return Row(f"{name}, of an empty app", ours_s / empty_s, goal, "x", note)


def _round(worlds: dict[int, Environment]) -> Iterator[tuple[str, Start]]:
    alone = worlds[0] | peers.ALONE
    yield "print", _start([sys.executable, "-c", "print('a line')"], alone, "a line", settles=False)
    yield "empty", _start([peers.python_of(peers.TEXTUAL), "-c", EMPTY], alone, "an empty app")
    for size, world in worlds.items():
        yield f"{size:,} tasks", _start_ours(world)
    yield "posting", _start([peers.program_of(peers.POSTING, "posting")], alone)
    yield "harlequin", _start([peers.program_of(peers.HARLEQUIN, "harlequin")], alone)
    yield "toolong", _start([peers.program_of(peers.TOOLONG, "tl"), __file__], alone)


def _start_ours(world: Environment) -> Start:
    """One of the running tasks is new each time: rows with it are live, whatever was kept of the screen before."""
    word = f"run-{make_word()}"
    ids = _in(world, lambda: start_tasks({word: "sleep 1200"}))
    with dashboard(world) as screen:
        known_s = wait_shown(screen, CONSTANT[0], 30) - screen.started_at
        is_kept = not get_grid(screen).shows(word)
        assert not is_kept or get_grid(screen).shows(MARK), picture(screen)
        painted_s = wait_shown(screen, word, 30) - screen.started_at
        settled_s = _settle(screen)
        text = picture(screen)
        assert word in text, text
        screen.send("q")  # as a person leaves it, so that the screen is kept
        screen.wait_exit()
    _in(world, lambda: end_tasks(ids))
    return Start(painted_s, settled_s, known_s if is_kept else None)


def _start(argv: list[str], environment: Environment, wanted: str = "", *, settles: bool = True) -> Start:
    with Screen(argv, environment, columns=120, rows=36) as screen:
        if wanted:
            painted_s = wait_painted(screen, wanted.encode(), 30, since=0) - screen.started_at
        else:
            painted_s = _wait_frame(screen) - screen.started_at
        settled_s = _settle(screen) if settles else 0.0
        text = picture(screen)
        assert wanted in text, text
        return Start(painted_s, settled_s)


def _wait_frame(screen: Screen) -> float:
    while len(strip_sequences(bytes(screen.raw)).translate(None, b" \r\n")) < FRAME:
        if time.monotonic() > screen.started_at + 30:
            raise SystemExit(f"nothing was painted:\n{picture(screen)}")
        take(screen, 0.05)
    return time.monotonic()


def _settle(screen: Screen) -> float:
    """Returns the seconds from the spawn to the last output before a pause."""
    last = time.monotonic()
    while take(screen, QUIET_S) and last < screen.started_at + 30:
        last = time.monotonic()
    return last - screen.started_at


def _in(world: Environment, call: Callable[[], T]) -> T:
    """Calls in another world than the current one."""
    with isolated(Path(world["HOME"])):
        return call()
