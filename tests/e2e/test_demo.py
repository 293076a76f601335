"""`flow-tui --demo`: a cloud to look around in, of which nothing is left."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testbed.command_lines import list_command_lines, read_command_line, read_environment
from testbed.driving import assert_terminal_restored, quit_dashboard, squeezed, status_of, trigger
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

SIZES = [(120, 36), (80, 24), (60, 15), (30, 10)]
OpenDashboard = Callable[..., Screen]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def open_demo(open_dashboard: OpenDashboard, temporary: Path) -> Callable[..., Screen]:
    def opened(*arguments: str, **more: object) -> Screen:
        screen = open_dashboard("--demo", *arguments, TMPDIR=str(temporary), **more)
        screen.wait_for("train-llama")
        return screen

    return opened


def empty(look: Callable[[], object]) -> None:
    """Waits until nothing is found any more."""
    deadline = time.monotonic() + DEADLINE_S
    while found := look():
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def processes(folder: Path) -> list[bytes]:
    """The command lines of those that were started with it as their place for temporary files, or name it."""
    mark = os.fsencode(folder)
    return [line for pid, line in list_command_lines() if mark in line or mark in b"\0".join(read_environment(pid))]


@contextmanager
def nothing_left(temporary: Path, home: Path) -> Iterator[None]:
    """After the block no process and no file of the demo is there, and nothing was ever written to its user's home."""
    yield
    empty(lambda: processes(temporary))
    empty(lambda: sorted(temporary.rglob("*"))[:20])
    assert list(home.iterdir()) == []


@pytest.mark.needs("linux")
def test_it_shows_tasks_in_every_state_at_every_size_and_uses_and_leaves_nothing_of_the_user(
    open_demo: Callable[..., Screen], temporary: Path, environment: dict[str, str], state: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("contexts: {secret-lab: {provider: nowhere}}\n", encoding="utf-8")
    settings = {"MITHRIL_API_KEY": "fkey_theirs", "MITHRIL_API_URL": "http://127.0.0.1:9", "MITHRIL_REGION": "nowhere"}
    theirs = {"FLOW_CONFIG": str(config), "SSH_AUTH_SOCK": str(tmp_path / "agent"), **settings}
    with nothing_left(temporary, Path(environment["HOME"])):
        screen = open_demo(columns=160, rows=36, **theirs)
        assert "secret-lab" not in screen.text()
        children = Path(f"/proc/{screen.pid}/task/{screen.pid}/children").read_text().split()
        for pid in (screen.pid, *map(int, children)):
            assert b"fkey_" not in read_command_line(pid)
        for name, word in (
            *(("train-llama", "running"), ("pretrain-13b", "running"), ("train-vit", "paused")),
            *(("sweep-lr", "pending"), ("prepare-shards", "cancelled")),
            *(("eval-mmlu", "failed"), ("tokenize-corpus", "completed")),
        ):
            screen.wait_for(status_of(name, word))
        for columns, rows in SIZES:
            screen.resize(columns, rows)
            screen.wait_for(is_marked)
        quit_dashboard(screen)
    assert not state.exists()


def is_marked(text: str) -> object:
    return re.search(r"\bDEMO\b", text.splitlines()[0])


@pytest.mark.needs("linux", "user-namespaces")
def test_its_log_is_followed_a_shell_answers_and_ending_it_leaves_nothing(
    open_demo: Callable[..., Screen], temporary: Path, environment: dict[str, str]
) -> None:
    with nothing_left(temporary, Path(environment["HOME"])):
        screen = open_demo()
        screen.wait_for("loss=")
        trigger(screen, "tasks.shell")
        screen.wait_for(re.compile(r"(?m)[$#%] *┃?$").search)
        screen.settle()
        screen.send("cat step; hostname", "enter")
        screen.wait_for(re.compile(r"(?m)^\W*\d+\W*\n\W*train-llama-8b-1").search)
        screen.signal(signal.SIGTERM)
        assert screen.wait_exit() == 128 + signal.SIGTERM
        assert_terminal_restored(screen)


@pytest.mark.needs("linux")
def test_where_machines_are_not_isolated_it_says_so_and_nothing_is_left_once_it_is_killed(
    open_demo: Callable[..., Screen], temporary: Path, environment: dict[str, str]
) -> None:
    with nothing_left(temporary, Path(environment["HOME"])):
        screen = open_demo(columns=160, FLOW_EMULATOR_NO_NAMESPACE="1")
        expected = "in this demo, its machines share this system's files"
        screen.wait_for(lambda text: squeezed(expected) in squeezed(text))
        screen.wait_for(status_of("tokenize-corpus", "completed"))
        screen.wait_for(status_of("eval-mmlu", "failed"))
        assert any(b"flow_core.emulator" in line for line in processes(temporary))
        screen.signal(signal.SIGKILL)
        assert screen.wait_exit() == 128 + signal.SIGKILL


def test_it_says_why_it_can_not_start(environment: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "asyncssh.py"
    broken.write_text("raise OSError(28, 'No space left on device')\n", encoding="utf-8")
    with Screen([sys.executable, "-m", "flow_tui", "--demo"], environment | {"PYTHONPATH": str(tmp_path)}) as screen:
        assert screen.wait_exit() == 2
        assert "the demo can't start" in screen.text()
        assert "No space left on device" in screen.text()


def test_without_its_extra_it_says_what_to_install(environment: dict[str, str], tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError('No module named starlette', name='starlette')\n"
    (tmp_path / "starlette.py").write_text(missing, encoding="utf-8")
    command = [sys.executable, "-m", "flow_tui", "--demo"]
    with Screen(command, environment | {"PYTHONPATH": str(tmp_path)}, columns=200) as screen:
        assert screen.wait_exit() == 2
        assert "the demo can't start: starlette and uvicorn are not installed; install flow-tui" in screen.text()
