"""Reads what a program paints as it comes, and times it. No picture is made of it: that would be what is measured."""

from __future__ import annotations

import os
import random
import re
import select
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import pyte
from bench.cell_grid import CellGrid
from testbed.pty_screen import Screen
from testbed.terminal_answers import TerminalAnswers

_FOREIGN = re.compile(
    rb"\x1b\[[<=>][0-9;:]*[ -/]*[@-~]|\x1b\[\??[0-9;:]*[ -/]+[@-~]|\x1b[PX^_\]].*?(?:\x1b\\|\x07)", re.S
)
"""Sequences that pyte takes for something else."""
_SEQUENCE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[^\[]?")
_OVERLAP = 4096
_REPEATED = 1 << 20
"""A new grid begins with so much of the last output."""


@dataclass
class _Followed:
    """A grid, its size, and how much of the output it has."""

    grid: CellGrid
    size: tuple[int, int]
    taken: int


_answers: WeakKeyDictionary[Screen, TerminalAnswers] = WeakKeyDictionary()
_grids: WeakKeyDictionary[Screen, _Followed] = WeakKeyDictionary()


def take(screen: Screen, timeout_s: float) -> bool:
    """Takes in one piece of output; False when none came in time. Answers what a program asks its terminal."""
    if not select.select([screen._fd], [], [], timeout_s)[0]:
        return False
    try:
        data = os.read(screen._fd, 1 << 16)
    except OSError as error:
        raise SystemExit(f"the program ended:\n{picture(screen)}") from error
    screen.raw += data
    if screen not in _answers:
        _answers[screen] = TerminalAnswers(screen._fd)
    _answers[screen].feed(data)
    return True


def wait_shown(screen: Screen, wanted: str, timeout_s: float = 60) -> float:
    """Returns the time of the output after which a text is on the screen that wasn't there before."""
    deadline = time.monotonic() + timeout_s
    while not get_grid(screen).shows(wanted):
        if time.monotonic() > deadline:
            raise SystemExit(f"{wanted!r} was not shown within {timeout_s:g} s:\n{picture(screen)}")
        take(screen, 0.05)
    return time.monotonic()


def get_grid(screen: Screen) -> CellGrid:
    """The cells of the screen after all output that was taken in. A screen of another size begins anew."""
    size = (screen._screen.columns, screen._screen.lines)
    known = _grids.get(screen)
    if known is None or known.size != size or known.taken > len(screen.raw):
        known = _grids[screen] = _Followed(CellGrid(*size), size, max(0, len(screen.raw) - _REPEATED))
    if known.taken < len(screen.raw):
        known.grid.feed(bytes(screen.raw[known.taken :]))
        known.taken = len(screen.raw)
    return known.grid


def watch(screens: Iterable[Screen], seconds: float) -> None:
    """Takes in what these programs paint for so long."""
    by_fd = {screen._fd: screen for screen in screens}
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for fd in select.select(list(by_fd), [], [], left)[0]:
            take(by_fd[fd], 0)


def picture(screen: Screen) -> str:
    """What is on the screen, from all that was painted."""
    shown = pyte.Screen(screen._screen.columns, screen._screen.lines)
    pyte.ByteStream(shown).feed(_FOREIGN.sub(b"", bytes(screen.raw)))
    return "\n".join(line.rstrip() for line in shown.display)


def drain(screen: Screen, quiet_s: float = 0.1, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while take(screen, quiet_s) and time.monotonic() < deadline:
        pass


def strip_sequences(raw: bytes) -> bytes:
    """Output without the sequences in it, whose letters are not what was written."""
    return _SEQUENCE.sub(b"", raw)


def wait_painted(screen: Screen, wanted: bytes, timeout_s: float = 60, *, since: int | None = None) -> float:
    """Returns the time of the output that completes `wanted`. `since` is a position in the output; default: now.

    For text that is sent as a whole: all of its cells change, or their colours.
    """
    at, deadline = len(screen.raw) if since is None else since, time.monotonic() + timeout_s
    while wanted not in strip_sequences(bytes(screen.raw[at:])):
        at = max(at, len(screen.raw) - _OVERLAP)
        if time.monotonic() > deadline:
            raise SystemExit(f"{wanted!r} was not painted within {timeout_s:g} s:\n{look(screen)}")
        take(screen, 0.05)
    return time.monotonic()


def time_keys_ms(screen: Screen, letters: str, is_enough: Callable[[int], bool]) -> list[float]:
    """Types letters that nothing else paints, one after the other, and times each one until it is painted."""
    took: list[float] = []
    while not is_enough(len(took)):
        letter = letters[len(took) % len(letters)]
        until = time.monotonic() + random.uniform(0.02, 0.08)  # anywhere between two frames
        while (left := until - time.monotonic()) > 0:
            take(screen, left)
        at, started = len(screen.raw), time.monotonic()
        screen.send(letter)
        took.append((wait_painted(screen, letter.encode(), 10, since=at) - started) * 1000)
    return took


def look(screen: Screen) -> str:
    """What is on the screen: lets the program paint everything again, and makes a picture of that."""
    drain(screen)
    screen.resize(screen._screen.columns - 1, screen._screen.lines)
    screen.settle(0.5)
    return screen.text()


def make_word() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=12))


def cpu_s(pid: int) -> float:
    """The CPU time of a process with all of its threads, also of those that have ended. Exact on Linux."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
