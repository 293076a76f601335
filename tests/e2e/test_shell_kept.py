"""A shell that is kept: left, found again by another dashboard, and ended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from e2e.test_dashboard import RUNNING, status_of, submit
from testbed.driving import quit_dashboard
from testbed.pty_screen import Screen

PROMPT = re.compile(r"(?m)^┃ready> ").search


@pytest.mark.needs("tmux")
@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
def test_a_kept_shell_is_found_again_by_the_next_dashboard_and_ends_when_it_is_closed(
    open_dashboard: Callable[..., Screen], size: tuple[int, int]
) -> None:
    screen = open_dashboard(columns=size[0], rows=size[1])
    submit(screen, "keeper", "sleep 300")
    screen.wait_for(status_of("keeper", *RUNNING))
    screen.send("K")
    screen.wait_for("ctrl+] leaves")
    screen.wait_for(re.compile(r"SHELL.*kept").search)
    screen.settle()
    screen.send("PS1='ready> '; here=$((6*7))", "enter")
    screen.wait_for(PROMPT)
    screen.send("ctrl+]", "d")
    screen.wait_for("Tasks")
    screen.settle()
    screen.send("K")
    screen.wait_for(PROMPT)
    screen.send("ctrl+]", "esc")
    screen.settle()
    quit_dashboard(screen)  # without a question: nothing is lost

    again = open_dashboard(columns=size[0], rows=size[1])
    again.wait_for(status_of("keeper", *RUNNING))
    again.send("K")
    again.wait_for(PROMPT)
    again.send("echo found-$here", "enter")
    again.wait_for("found-42")
    again.send("ctrl+]", "c")
    again.wait_for(re.compile(r"1 keeper\S* kept.*2 keeper").search)
    again.settle()
    again.send("ctrl+]", "d")
    again.wait_for("this shell is not kept")
    again.send("ctrl+]", "t")
    again.wait_for("found-42")
    again.send("ctrl+]", "k")
    again.wait_for("Close this shell?")
    again.send("y")
    again.wait_for(re.compile(r"SHELL  task keeper\S* ━").search)
    again.send("ctrl+]", "t")
    again.wait_for(re.compile(r"SHELL.*kept").search)
    again.settle()
    assert "found-42" not in again.text()
