"""A shell in the dashboard's pane beside the same shell elsewhere: typed letters, and floods of output."""

from __future__ import annotations

import os
import random
import string
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.painted import picture, strip_sequences, take, wait_painted
from testbed.pty_screen import Screen

FLOOD_MB = 50
LINES = FLOOD_MB * 1_000_000 // 80
_LETTERS = string.ascii_letters
_PER_LINE = 40


def write_flood(file: Path) -> None:
    file.write_bytes(b"".join(b"%08d %s\n" % (n, b"x" * 70) for n in range(LINES)))


@contextmanager
def tmux(environment: dict[str, str], command: str = "bash --norc") -> Iterator[Screen]:
    """A terminal inside tmux; its server, which would outlive the terminal, ends with it."""
    argv = ["tmux", "-L", f"flow-bench-{os.getpid()}", "-f", "/dev/null"]
    try:
        with Screen([*argv, "new-session", command], environment | {"PS1": "$ "}, columns=120, rows=36) as screen:
            yield screen
    finally:
        subprocess.run([*argv, "kill-server"], check=False, stderr=subprocess.DEVNULL)


def enter(screen: Screen) -> None:
    """Opens the shell of the only task of a dashboard."""
    screen.wait_for("● running", 30)
    screen.settle(0.3)
    screen.send("s")
    screen.wait_for("ctrl+] leaves", 20)
    screen.settle(0.5)


def flood_s(screen: Screen, flood: Path) -> float:
    """Prints the file in the shell; returns the seconds until what comes after it was painted."""
    word = "".join(random.choices(_LETTERS, k=8))
    started = time.monotonic()
    screen.send(f"cat {flood}; echo {word[:4]}''{word[4:]}", "enter")
    took = wait_painted(screen, word.encode()) - started
    screen.settle(0.3)
    return took


def echo_ms(screens: Sequence[Screen], keys: int) -> list[list[float]]:
    """Types letters into these shells in turns; returns the milliseconds of each one until it was painted."""
    for screen in screens:
        screen.send("exec 3>&1; cat >/dev/null", "enter")
        screen.settle(0.3)
    took: list[list[float]] = [[] for _ in screens]
    for number in range(keys):
        for screen, delays in zip(screens, took, strict=True):
            delays.append(_letter_ms(screen, _LETTERS[number % len(_LETTERS)]))
            if number % _PER_LINE == _PER_LINE - 1:
                screen.send("enter")
    for screen in screens:
        screen.send("\x03")
        screen.settle(0.3)
    return took


def _letter_ms(screen: Screen, letter: str) -> float:
    """The letter isn't on the line yet, so that it isn't found before it was typed."""
    while take(screen, 0.02):
        pass
    at, started = len(screen.raw), time.monotonic()
    screen.send(letter)
    while letter.encode() not in strip_sequences(bytes(screen.raw[at:])):
        if time.monotonic() - started > 5:
            raise SystemExit(f"{letter} was not painted:\n{picture(screen)}")
        take(screen, 0.05)
    return (time.monotonic() - started) * 1000
