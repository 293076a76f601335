from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from testbed.pty_screen import Screen
from testbed.sshd import Sshd

OpenDashboard = Callable[..., Screen]


@pytest.fixture
def state() -> Path:
    """The state directory that every test has of its own, with its tasks ended afterwards."""
    return Path(os.environ["FLOW_STATE_DIR"])


@pytest.fixture
def environment(tmp_path: Path, state: Path) -> dict[str, str]:
    """A home of its own, with nothing of the machine's user in it."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "FLOW_STATE_DIR": str(state), "PS1": "$ ", "TEXTUAL_ANIMATIONS": "none"}


@pytest.fixture
def open_dashboard(environment: dict[str, str]) -> Iterator[OpenDashboard]:
    with ExitStack() as stack:

        def opened(*arguments: str, columns: int = 120, rows: int = 36, **extra: str) -> Screen:
            argv = [sys.executable, "-m", "flow_tui", *arguments]
            screen = stack.enter_context(Screen(argv, environment | extra, columns=columns, rows=rows))
            screen.wait_for("Tasks")
            return screen

        yield opened


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def open_machines(
    open_dashboard: OpenDashboard, environment: dict[str, str], tmp_path: Path
) -> Callable[[Mapping[str, Sshd]], Screen]:
    """The dashboard over these machines, by their names in the user's ssh config."""

    def opened(machines: Mapping[str, Sshd]) -> Screen:
        ssh = Path(environment["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "config").write_text("".join(sshd.config(name=name).read_text() for name, sshd in machines.items()))
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump({"contexts": {"lab": {"provider": "hosts", "hosts": list(machines)}}}))
        return open_dashboard("--context", "lab", FLOW_CONFIG=str(config))

    return opened
