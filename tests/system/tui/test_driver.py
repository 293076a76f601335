"""The user's terminal: it may be closed, accept no output for a while, or be taken away and given back."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import wait_until

PROGRAM = """
import os, sys
from pathlib import Path
from textual.app import App
from textual.widgets import Static
from flow_tui.crash import CrashGuard

class Counting(CrashGuard, App[None]):
    CSS = "Static { height: 1fr; }"
    BINDINGS = [("q", "quit", "quit"), ("b", "count", "count"), ("e", "edit", "edit")]
    number = 0
    timer = None
    def compose(self):
        yield Static("ready")
    def on_mount(self):
        self.log_state()
        self.set_interval(0.01, self.log_state)
    def log_state(self):
        draws = "draws" if getattr(self._driver, "can_draw", True) else "waits"
        guard = "guarded" if getattr(self._driver, "_guard", None) else "alone"
        Path(sys.argv[1]).write_text(f"{os.getpid()} {self.number} {draws} {guard}")
    def action_count(self):
        if self.timer is None:
            self.timer = self.set_interval(0.01, self.count)
        else:
            self.timer.stop()
    def count(self):
        self.number += 1
        self.query_one(Static).update("\\n".join(f"{self.number:05} line {n:02}" * 6 for n in range(40)))
        self.bell()
    def action_edit(self):
        with self.suspend():
            os.system("echo editing; read x")

app = Counting()
app.run()
sys.exit(app.return_code)
"""
LATE = """
import asyncio, sys
from pathlib import Path
from textual.app import App
from textual.widgets import Static
from flow_tui.crash import CrashGuard

class Late(CrashGuard, App[None]):
    CSS = "Static { height: 1; }"
    BINDINGS = [("f", "fill", "fill")]
    def compose(self):
        self.missed, self.asked = Static("ready"), Static("before")
        yield self.missed
        yield self.asked
    def _build_driver(self, *arguments, **options):
        driver = super()._build_driver(*arguments, **options)
        self.catch_up, driver.on_caught_up = driver.on_caught_up, self.caught_up
        return driver
    async def action_fill(self):
        self._driver.write("\\x1b]0;" + "x" * (1 << 17) + "\\x07")
        self._driver.flush()
        self.missed.update("missed")
        while not self._missed:
            await asyncio.sleep(0.001)
        Path(sys.argv[1]).write_text("behind")
    def caught_up(self):
        self.asked.update("after")
        self.run_worker(self.catch_up_in_between())
    async def catch_up_in_between(self):
        while self.asked not in self.screen._dirty_widgets:
            await asyncio.sleep(0)
        self.catch_up()

Late().run()
"""
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
MODES = (1000, 1003, 1004, 1006, 1049, 2004)


class Program:
    """A small app on a terminal, and what it writes about itself while it runs."""

    def __init__(self, folder: Path, *, under: tuple[str, ...] = ()) -> None:
        self._state = folder / "state.txt"
        program = folder / "counting.py"
        program.write_text(PROGRAM, encoding="utf-8")
        self.argv = [sys.executable, str(program), str(self._state)]
        (folder / "Makefile").write_text("run:\n\t@" + " ".join(self.argv) + "\n", encoding="utf-8")
        environment = {"PYTHONPATH": str(ROOT)}
        self.screen = Screen([*under, *([] if under else self.argv)], environment)
        self.screen.wait_for("ready")

    @property
    def pid(self) -> int:
        return int(self.state[0])

    @property
    def number(self) -> int:
        return int(self.state[1])

    @property
    def state(self) -> list[str]:
        """[process id, number of the last update, "draws" or "waits", "guarded" or "alone"]."""
        return wait_until(lambda: self._state.read_text().split())

    def stall(self) -> None:
        """Counts without reading the terminal until that is full, and for 50 updates more."""
        self.screen.send("b")
        wait_until(lambda: self.state[2] == "waits")
        reached = self.number + 50
        wait_until(lambda: self.number > reached)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path)
    yield started
    started.screen.kill()


def check_restored(screen: Screen) -> None:
    raw = bytes(screen.raw)
    for mode in MODES:
        assert raw.rfind(b"\x1b[?%dl" % mode) > raw.rfind(b"\x1b[?%dh" % mode), f"mode {mode} was left on"
    assert raw.rfind(b"\x1b[?25h") > raw.rfind(b"\x1b[?25l")
    assert screen.is_cooked()


def close_terminal(screen: Screen) -> None:
    os.close(screen._fd)
    screen._fd = -1


def test_a_closed_terminal_ends_the_program_under_a_leader_that_passes_no_hangup_on(tmp_path: Path) -> None:
    started = Program(tmp_path, under=("make", "-s", "-f", str(tmp_path / "Makefile"), "run"))
    close_terminal(started.screen)
    ended = wait_until(lambda: os.waitpid(started.screen.pid, os.WNOHANG)[0])  # make waits for the program
    assert ended == started.screen.pid


def test_a_terminal_that_accepts_no_output_stops_nothing_and_gets_few_frames_and_the_last_one_whole(
    program: Program,
) -> None:
    program.stall()
    held = len(program.screen.raw)
    program.screen.send("b")
    counted = program.screen.wait_for(lambda text: f"{program.number:05} line 35" in text)
    assert set(re.findall(r"(\d{5}) line", counted)) == {f"{program.number:05}"}
    assert bytes(program.screen.raw).count(b"\x07") < program.number
    numbers = {int(number) for number in re.findall(rb"(\d{5}) line", bytes(program.screen.raw[held:]))}
    assert len(numbers) < program.number / 2


def test_a_terminal_that_had_another_size_for_a_moment_is_drawn_again(program: Program) -> None:
    screen = program.screen
    screen.send("b")
    wait_until(lambda: program.number)
    screen.send("b")
    screen.settle()
    shown = screen.wait_for(lambda text: f"{program.number:05} line 35" * 6 in text)
    screen.resize(40, 36)  # cuts the lines off
    screen.resize(120, 36)
    screen.wait_for(shown)


def test_what_is_to_be_drawn_while_the_terminal_catches_up_is_drawn(tmp_path: Path) -> None:
    (program := tmp_path / "late.py").write_text(LATE, encoding="utf-8")
    state = tmp_path / "state.txt"
    environment = {"PYTHONPATH": str(ROOT)}
    with Screen([sys.executable, str(program), str(state)], environment) as screen:
        screen.wait_for("before")
        screen.send("f")
        wait_until(state.exists)
        screen.wait_for(lambda text: "missed" in text and "after" in text)


@pytest.mark.parametrize("way", ["q", "SIGTERM"])
def test_a_terminal_that_accepts_no_output_can_be_left(program: Program, way: str) -> None:
    program.stall()
    if way == "q":
        program.screen.send("q")
    else:
        program.screen.signal(signal.SIGTERM)
    wait_until(program.screen._reaped)  # without reading anything
    assert program.screen.wait_exit() == (0 if way == "q" else 128 + signal.SIGTERM)
    program.screen.settle()
    check_restored(program.screen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_every_signal_that_ends_it_gives_the_terminal_back(program: Program, number: signal.Signals) -> None:
    program.screen.signal(number)
    assert program.screen.wait_exit() == 128 + number
    check_restored(program.screen)


def test_the_terminal_is_given_back_even_when_the_program_can_not_do_it(program: Program) -> None:
    wait_until(lambda: program.state[3] == "guarded")
    program.screen.signal(signal.SIGKILL)
    assert program.screen.wait_exit() == 128 + signal.SIGKILL
    wait_until(lambda: not program.screen.pump(0.05) and LEAVE in program.screen.raw)
    check_restored(program.screen)


def test_the_terminal_is_given_away_and_drawn_again_as_often_as_the_program_stops_or_starts_another(
    program: Program,
) -> None:
    stop_and_go_on(program)
    stop_without_notice_and_go_on(program)
    start_another_program(program)
    program.screen.send("q")
    assert program.screen.wait_exit() == 0
    check_restored(program.screen)


def stop_and_go_on(program: Program) -> None:
    program.screen.signal(signal.SIGTSTP)
    stopped = wait_until(lambda: os.waitpid(program.screen.pid, os.WUNTRACED | os.WNOHANG)[1])
    assert os.WIFSTOPPED(stopped)
    program.screen.settle()
    check_restored(program.screen)
    program.screen.signal(signal.SIGCONT)
    wait_until(lambda: program.screen.pump(0.05) and b"ready" in program.screen.raw.rpartition(ENTER)[2])


def stop_without_notice_and_go_on(program: Program) -> None:
    drawn = program.screen.raw.count(ENTER)
    os.kill(program.pid, signal.SIGSTOP)
    os.waitpid(program.screen.pid, os.WUNTRACED)
    program.screen.signal(signal.SIGCONT)
    wait_until(lambda: program.screen.pump(0.05) and program.screen.raw.count(ENTER) > drawn)
    wait_until(lambda: program.screen.pump(0.05) or b"ready" in program.screen.raw.rpartition(ENTER)[2])
    assert not program.screen.is_cooked()


def start_another_program(program: Program) -> None:
    program.screen.send("e")
    program.screen.wait_for("editing")
    check_restored(program.screen)
    program.screen.send("enter")
    wait_until(lambda: program.screen.pump(0.05) and b"ready" in program.screen.raw.rpartition(ENTER)[2])
