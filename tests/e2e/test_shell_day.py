"""A day in the shell pane: an editor, a monitor, another size, what was printed, and back out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from testbed.driving import reopen_shell, status_of, submit, trigger
from testbed.pty_screen import Screen
from testbed.sshd import Sshd

from flow_tui.terminal.prefix import Command

LOST = "[connection lost: press enter to reopen the shell]"


@pytest.mark.needs("vi")
def test_an_editor_a_copy_and_a_shell_opened_again(open_dashboard: Callable[..., Screen], tmp_path: Path) -> None:
    screen = open_dashboard()
    open_shell(screen)
    edit_a_file(screen, tmp_path / "note")
    copy_what_was_printed_and_come_back(screen)
    end_and_open_again(screen)


@pytest.mark.needs("htop", "sshd")
def test_over_ssh_a_monitor_another_size_and_a_lost_link(
    sshd: Sshd, open_machines: Callable[[Mapping[str, Sshd]], Screen]
) -> None:
    screen = open_machines({"gpu1": sshd})
    screen.wait_for("lab●")
    open_shell(screen)
    watch_a_monitor_at_another_size(screen)
    sshd.stop()
    screen.wait_for(LOST)
    sshd.start()
    open_again_after_a_lost_link(screen)


def open_shell(screen: Screen) -> None:
    submit(screen, "workshop", "sleep 300")
    screen.wait_for(status_of("workshop", "running"))
    trigger(screen, "tasks.shell")
    screen.wait_for("ctrl+] leaves")
    screen.settle()
    screen.send("PS1='ready> '; clear", "enter")
    screen.wait_for(lambda text: re.search(r"(?m)^┃ready> ", text) and "PS1" not in text)


def edit_a_file(screen: Screen, file: Path) -> None:
    screen.send(f"vi {file}", "enter")
    screen.wait_for("~")
    screen.settle()
    screen.send("i", "written in the pane")
    screen.wait_for("written in the pane")
    screen.send("esc", ":wq", "enter")
    screen.wait_for(lambda text: "~" not in text)
    assert file.read_text(encoding="utf-8") == "written in the pane\n"


def watch_a_monitor_at_another_size(screen: Screen) -> None:
    screen.send("htop", "enter")
    screen.wait_for("Load average")
    screen.resize(100, 30)
    screen.wait_for(lambda text: "Load average" in text and "F10" in text)
    screen.send("q")
    screen.wait_for(lambda text: "Load average" not in text)


def copy_what_was_printed_and_come_back(screen: Screen) -> None:
    screen.send("clear; seq 1 200", "enter")
    screen.wait_for("200")
    trigger(screen, Command.COPY_MODE)
    screen.send("?", "123", "enter", "V", "y")
    screen.wait_for("copied 3 characters")
    screen.wait_for(lambda _: b"\x1b]52;c;MTIz" in screen.raw)
    screen.send("ctrl+]", "esc")
    screen.wait_for("workshop")
    trigger(screen, "tasks.shell")
    screen.wait_for("200")
    screen.settle()


def end_and_open_again(screen: Screen) -> None:
    screen.send("exit 3", "enter")
    screen.wait_for("[exit code 3: press enter to reopen the shell]")
    reopen_shell(screen)
    screen.wait_for("ctrl+] leaves")
    screen.settle()
    screen.send("echo $((6*7))", "enter")
    screen.wait_for(re.compile(r"(?m)^\W*42\b").search)


def open_again_after_a_lost_link(screen: Screen) -> None:
    screen.wait_for(LOST)
    reopen_shell(screen)
    screen.wait_for(lambda text: "ctrl+] leaves" in text and "opening" not in text)
    screen.settle()
    screen.send("echo $((6*7))again", "enter")
    screen.wait_for("42again")
