from __future__ import annotations

import signal
import sys

import pytest
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

ASKS = r"""
import os, sys, termios, tty
tty.setraw(0)
os.write(1, b"\x1b[?2026$p\x1b[>4;1m\x1b[?1;2mplain")
got = b""
while not got.endswith(b"y"):
    got += os.read(0, 64)
os.write(1, b" answered " + got[2:].replace(b"$", b"S"))
os.read(0, 1)
"""


def test_the_program_sees_the_size_it_was_given_and_every_later_one() -> None:
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"
    with Screen(["bash", "-c", script], columns=91, rows=17) as screen:
        screen.wait_for("17 91")
        screen.resize(60, 15)
        screen.wait_for("15 60")


def test_text_and_keys_reach_the_program_and_its_exit_code_comes_back() -> None:
    with Screen(["bash", "-c", "read -r x; echo got-$x; exit 7"]) as screen:
        screen.send("hello", "enter")
        screen.wait_for("got-hello")
        assert screen.wait_exit() == 7


def test_questions_to_the_terminal_are_answered_and_odd_sequences_draw_nothing() -> None:
    with Screen([sys.executable, "-c", ASKS]) as screen:
        assert screen.wait_for("answered").startswith("plain answered ?2026;2Sy")


def test_waiting_for_what_never_comes_fails_with_the_picture() -> None:
    with (
        Screen(["bash", "-c", "echo here; read -r x"]) as screen,
        pytest.raises(AssertionError, match=r"(?s)without 'there'.*here"),
    ):
        screen.wait_for("there", timeout_s=0.3)


def test_waiting_ends_early_when_the_program_has_ended() -> None:
    with (
        Screen(["bash", "-c", "echo gone"]) as screen,
        pytest.raises(AssertionError, match=r"(?s)the program ended.*gone"),
    ):
        screen.wait_for("there", timeout_s=DEADLINE_S)


def test_a_signal_is_the_exit_code_that_shells_use() -> None:
    with Screen(["sleep", "60"]) as screen:
        screen.signal(signal.SIGTERM)
        assert screen.wait_exit() == 128 + signal.SIGTERM


def test_a_program_that_is_missing_is_named() -> None:
    with Screen(["no-such-program-here"]) as screen:
        screen.wait_for("no-such-program-here: No such file")
        assert screen.wait_exit() == 127
