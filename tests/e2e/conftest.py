from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from testbed.pty_screen import Screen

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
            screen.wait_for("Tasks", timeout_s=30)
            return screen

        yield opened


@pytest.fixture
def run_environment(environment: dict[str, str]) -> dict[str, str]:
    """For programs that are started without a terminal."""
    return dict(os.environ) | environment
