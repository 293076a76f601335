"""The screen of the last session: first on the next start, never taken for a live one, and without secrets."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.driving import assert_terminal_restored, quit_dashboard
from testbed.pty_screen import Screen
from testbed.waiting import wait_until

from flow_core import AsyncFlow

OpenDashboard = Callable[..., Screen]
ENTER = b"\x1b[?1049h"
AGE = "; loading"
PRIVATE, LOGGED = "in-the-command", "in-the-log"


@pytest.fixture
def kept(open_dashboard: OpenDashboard, state: Path) -> Path:
    """The folder of the screens, after a session in which a task, its command and its log were shown."""
    asyncio.run(run_task())
    screen = open_dashboard()
    screen.wait_for(lambda text: "trains" in text and LOGGED in text and "this machine" in text)
    screen.settle()
    quit_dashboard(screen)
    return state / "last-screens"


async def run_task() -> None:
    async with AsyncFlow("local") as flow:
        await flow.run(f"echo {PRIVATE}; echo {LOGGED[:6]}''{LOGGED[6:]}", wait=True, name="trains")


def start(environment: dict[str, str], *arguments: str) -> Screen:
    return Screen([sys.executable, "-m", "flow_tui", *arguments], environment)


def test_it_is_shown_with_its_age_until_live_rows_take_its_place_and_takes_keys(
    kept: Path, environment: dict[str, str]
) -> None:
    (file,) = kept.iterdir()
    data = file.read_text(encoding="utf-8")
    assert "trains" in data
    assert PRIVATE not in data
    assert LOGGED not in data
    with start(environment) as screen:
        text = screen.wait_for(lambda text: AGE in text and "q quit" in text)
        assert "local●" not in text
        while "local●" not in text:  # no picture in between lacks the rows
            assert "trains" in text
            assert "5 Shell" in text
            screen.pump(0.01)
            text = screen.text()
        quit_dashboard(screen)
    with start(environment) as screen:
        screen.wait_for(lambda text: AGE in text)
        screen.send("?")
        help_text = screen.wait_for(lambda text: AGE not in text and "Keys" in text)
        assert "trains" in help_text
        assert bytes(screen.raw).count(ENTER) == 1
        screen.send("esc")
        screen.wait_for(lambda text: "local●" in text and "Keys" not in text)
        quit_dashboard(screen)


def test_a_start_that_is_killed_leaves_the_terminal_as_it_was_and_another_one_paints_nothing(
    kept: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    with start(environment) as screen:
        wait_until(lambda: screen.pump(0.01) and AGE.encode() in screen.raw)
        screen.signal(signal.SIGKILL)
        assert screen.wait_exit() == 128 + signal.SIGKILL
        wait_until(lambda: not screen.pump(0.05) and screen.is_cooked() and b"\x1b[?1049l" in screen.raw)
        assert_terminal_restored(screen)
    broken = tmp_path / "flow_core_broken"
    (broken / "textual").mkdir(parents=True)
    (broken / "textual" / "__init__.py").write_text("raise KeyboardInterrupt")
    with start(environment | {"PYTHONPATH": str(broken)}) as screen:
        assert screen.wait_exit() == 130
        assert AGE.encode() in screen.raw
        assert_terminal_restored(screen)
    with start(environment, "--read-only") as screen:
        screen.wait_for("READ-ONLY")
        assert AGE.encode() not in screen.raw
        quit_dashboard(screen)
