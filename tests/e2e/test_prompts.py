"""A host that wants something of a person, at a real terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.driving import assert_terminal_restored, quit_dashboard, status_of, submit, trigger
from testbed.pty_screen import Screen
from testbed.sshd import Sshd, make_key

from flow_tui.terminal.prefix import Command

pytestmark = pytest.mark.needs("sshd")
PASSPHRASE = "correct horse"
PROGRAM = """
import sys
from flow_core import providers
from flow_tui.__main__ import main
providers.PROVIDERS["ssh"] = "testbed.ssh_place"
if "faulty" in sys.argv:
    from flow_tui.dialogs.prompt_dialog import SecretDialog
    def accept(self, text):
        raise ValueError("a fault of ours")
    SecretDialog.accept = accept
del sys.argv[1:]
main()
"""
OpenOver = Callable[..., Screen]
OpenDashboard = Callable[..., Screen]


@pytest.fixture
def open_over(environment: dict[str, str], tmp_path: Path) -> Iterator[OpenOver]:
    """The dashboard with the server as its only other context."""
    with ExitStack() as stack:

        def opened(sshd: Sshd, *arguments: str, **extra: str) -> Screen:
            config = tmp_path / "config.yaml"
            settings = {"provider": "ssh", "host": "gpu1", "config": str(sshd.config(name="gpu1"))}
            config.write_text(yaml.safe_dump({"contexts": {"lab": settings}}))
            places = {"FLOW_CONFIG": str(config), "PYTHONPATH": os.pathsep.join(sys.path)}
            argv = [sys.executable, "-c", PROGRAM, *arguments]
            screen = stack.enter_context(Screen(argv, environment | places | extra))
            screen.wait_for("Tasks")
            return screen

        yield opened


def lock(sshd: Sshd) -> None:
    """The server takes only a key with a passphrase."""
    for path in (sshd.key, sshd.key.with_suffix(".pub")):
        path.unlink()
    sshd.authorized_keys.write_text(make_key(sshd.key, passphrase=PASSPHRASE).with_suffix(".pub").read_text())


def kept(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_passphrase_opens_the_way_and_is_written_nowhere(
    sshd: Sshd, open_over: OpenOver, state: Path, tmp_path: Path
) -> None:
    lock(sshd)
    log = tmp_path / "textual.log"
    screen = open_over(sshd, TEXTUAL_LOG=str(log), TEXTUAL="debug")
    screen.wait_for("gpu1 prompts for a passphrase: press !")
    trigger(screen, "app.attend")
    screen.wait_for("Passphrase of id_user")
    screen.settle()
    screen.send(PASSPHRASE)
    screen.wait_for("•" * len(PASSPHRASE))
    screen.send("enter")
    screen.wait_for("hello-from-gpu1")
    quit_dashboard(screen)
    assert b"horse" not in screen.raw
    assert b"horse" not in kept(state)
    assert not log.exists()


def test_a_fault_with_a_passphrase_on_the_line_tells_nobody_of_it(sshd: Sshd, open_over: OpenOver, state: Path) -> None:
    lock(sshd)
    screen = open_over(sshd, "faulty")
    screen.wait_for("press !")
    trigger(screen, "app.attend")
    screen.wait_for("Passphrase of id_user")
    screen.settle()
    screen.send(PASSPHRASE)
    screen.wait_for("•" * len(PASSPHRASE))
    screen.send("enter")
    assert screen.wait_exit() == 1
    assert_terminal_restored(screen)
    assert list((state / "crashes").glob("*.txt"))
    assert b"horse" not in kept(state)
    assert b"horse" not in screen.raw


def test_leaving_while_a_host_asks_leaves_no_report(sshd: Sshd, open_over: OpenOver, state: Path) -> None:
    sshd.known_hosts.unlink()
    screen = open_over(sshd)
    screen.wait_for("press !")
    trigger(screen, "app.attend")
    screen.wait_for("Is this the key of gpu1?")
    screen.settle()
    screen.send("ctrl+c", "ctrl+c")
    assert screen.wait_exit() == 0
    assert_terminal_restored(screen)
    assert not list(state.glob("crashes/*"))
    assert not sshd.known_hosts.exists()


def test_a_machine_nobody_knows_yet_becomes_a_place_for_tasks(sshd: Sshd, open_machines: Any) -> None:
    sshd.known_hosts.unlink()
    screen = open_machines({"gpu1": sshd})
    screen.wait_for("gpu1 shows an unknown key: press !")
    screen.wait_for("lab?")
    trigger(screen, "app.attend")
    screen.wait_for("Is this the key of gpu1?")
    screen.settle()
    screen.send("yes")
    screen.wait_for("yes")
    assert not sshd.known_hosts.exists()
    screen.send("enter")
    screen.wait_for("lab●")
    assert sshd.known_hosts.exists()
    run_a_task(screen)
    quit_dashboard(screen)


def run_a_task(screen: Screen) -> None:
    submit(screen, "first", "echo over there; sleep 600")
    screen.wait_for(status_of("first", "running"))
    screen.wait_for("over there")
    trigger(screen, "tasks.shell")
    screen.wait_for("Shell  task first")
    screen.wait_for(re.compile(r"(?m)[$#%] *┃?$").search)
    screen.settle()
    trigger(screen, Command.CLOSE)
    screen.wait_for("Close this shell?")
    trigger(screen, "confirm.agree")
    screen.wait_for("new task")
    trigger(screen, "tasks.cancel")
    screen.wait_for("Press y to")
    screen.settle()
    trigger(screen, "confirm.agree")
    screen.wait_for(status_of("first", "cancelled"))


def test_a_machine_that_was_refused_is_said_to_be_so_and_the_other_one_serves(
    sshd: Sshd, open_machines: Any, tmp_path: Path
) -> None:
    other = Sshd(tmp_path / "other")
    other.start()
    try:
        other.known_hosts.unlink()
        screen = open_machines({"gpu1": sshd, "gpu2": other})
        screen.wait_for("gpu2 shows an unknown key: press !")
        trigger(screen, "app.attend")
        screen.wait_for("Is this the key of gpu2?")
        screen.settle()
        screen.send("esc")
        screen.wait_for("lab●")
        trigger(screen, "app.show_instances")
        screen.wait_for("down")
        trigger(screen, "app.attend")
        screen.wait_for("gpu2: its key is not known, SHA256:")
        assert not other.known_hosts.exists()
    finally:
        other.stop()
