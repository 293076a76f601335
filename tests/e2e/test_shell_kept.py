"""A shell that is kept: left, found again by another dashboard, and ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.test_dashboard import RUNNING, status_of, submit
from testbed.driving import quit_dashboard, reopen_shell
from testbed.pty_screen import Screen
from testbed.ssh_servers import end_servers
from testbed.waiting import DEADLINE_S

PROMPT = re.compile(r"(?m)^┃ready> ").search


@pytest.mark.needs("tmux")
@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
def test_a_kept_shell_is_found_again_by_the_next_dashboard_and_after_a_lost_link_until_it_is_closed(
    open_dashboard: Callable[..., Screen], state: Path, size: tuple[int, int]
) -> None:
    screen = open_dashboard(columns=size[0], rows=size[1])
    submit(screen, "keeper", "sleep 300")
    screen.wait_for(status_of("keeper", *RUNNING), DEADLINE_S)
    screen.send("K")
    screen.wait_for("ctrl+] leaves", DEADLINE_S)
    screen.wait_for(re.compile(r"SHELL.*persistent").search, DEADLINE_S)
    screen.settle()
    screen.send("PS1='ready> '; here=$((6*7))", "enter")
    screen.wait_for(PROMPT, DEADLINE_S)
    screen.send("ctrl+]", "d")
    screen.wait_for("Tasks", DEADLINE_S)
    screen.settle()
    screen.send("K")
    screen.wait_for(PROMPT, DEADLINE_S)
    screen.send("ctrl+]", "esc")
    screen.settle()
    quit_dashboard(screen)  # without a question: nothing is lost

    again = open_dashboard(columns=size[0], rows=size[1])
    again.wait_for(status_of("keeper", *RUNNING), DEADLINE_S)
    again.send("K")
    again.wait_for(PROMPT, DEADLINE_S)
    again.send("echo found-$here", "enter")
    again.wait_for("found-42", DEADLINE_S)
    again.settle()
    end_servers(state)
    again.wait_for("[connection lost: enter opens it again]", DEADLINE_S)
    reopen_shell(again)
    again.wait_for(lambda text: "found-42" in text and "connection lost" not in text, DEADLINE_S)
    again.send("ctrl+]", "c")
    again.wait_for(re.compile(r"1 keeper\S* persistent.*2 keeper").search, DEADLINE_S)
    again.settle()
    again.send("ctrl+]", "d")
    again.wait_for("This shell is not persistent", DEADLINE_S)
    again.send("ctrl+]", "t")
    again.wait_for("found-42", DEADLINE_S)
    again.send("ctrl+]", "k")
    again.wait_for("Close this shell?", DEADLINE_S)
    again.send("y")
    again.wait_for(re.compile(r"SHELL  task keeper\S* ━").search, DEADLINE_S)
    again.send("ctrl+]", "t")
    again.wait_for(re.compile(r"SHELL.*persistent").search, DEADLINE_S)
    again.settle()
    again.send("echo gone-$here.", "enter")
    again.wait_for("gone-.", DEADLINE_S)
