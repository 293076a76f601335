"""A shell that is kept: left, found again by another dashboard, and ended."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from testbed.driving import quit_dashboard, reopen_shell, status_of, submit, trigger
from testbed.pty_screen import Screen

from flow_tui.terminal.prefix import Command

PROMPT = re.compile(r"(?m)^┃ready> ").search


@pytest.mark.needs("tmux")
def test_a_kept_shell_is_found_again_by_the_next_dashboard_and_after_a_lost_terminal_until_it_is_closed(
    open_dashboard: Callable[..., Screen],
) -> None:
    screen = open_dashboard()
    submit(screen, "keeper", "sleep 300")
    screen.wait_for(status_of("keeper", "running"))
    trigger(screen, "tasks.kept_shell")
    screen.wait_for("ctrl+] leaves")
    screen.wait_for(re.compile(r"Shell  task.*persistent").search)
    screen.settle()
    screen.send("PS1='ready> '; here=$((6*7))", "enter")
    screen.wait_for(PROMPT)
    trigger(screen, Command.DETACH)
    screen.wait_for(lambda text: not PROMPT(text))
    screen.settle()
    trigger(screen, "tasks.kept_shell")
    screen.wait_for(PROMPT)
    screen.send("ctrl+]", "esc")
    screen.settle()
    quit_dashboard(screen)  # without a question: nothing is lost

    again = open_dashboard(columns=80, rows=24)
    again.wait_for(status_of("keeper", "running"))
    trigger(again, "tasks.kept_shell")
    again.wait_for(PROMPT)
    again.send("echo found-$here", "enter")
    again.wait_for("found-42")
    again.settle()
    kill_tmux_clients(again)
    again.wait_for("[exit code 137: press enter to reopen the shell]")
    reopen_shell(again)
    again.wait_for(lambda text: "found-42" in text and "exit code" not in text)
    trigger(again, Command.ANOTHER)
    again.wait_for(re.compile(r"1 keeper\S* persistent.*2 keeper").search)
    again.settle()
    trigger(again, Command.DETACH)
    again.wait_for("This shell is not persistent")
    trigger(again, Command.KEEP)
    again.wait_for("found-42")
    trigger(again, Command.CLOSE)
    again.wait_for("Close this shell?")
    trigger(again, "confirm.agree")
    again.wait_for(re.compile(r"Shell  task keeper\S* ━").search)
    trigger(again, Command.KEEP)
    again.wait_for(re.compile(r"Shell  task.*persistent").search)
    again.settle()
    again.send("echo gone-$here.", "enter")
    again.wait_for("gone-.")


def kill_tmux_clients(dashboard: Screen) -> None:
    """Kills the programs with which the dashboard is attached to tmux; its server lives on."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_child = f"\nPPid:\t{dashboard.pid}\n" in (process / "status").read_text()
            if is_child and (process / "cmdline").read_bytes().startswith(b"tmux\0"):
                os.kill(int(process.name), signal.SIGKILL)
