"""A shell on a real terminal: a program of ours is driven by its keys, and its terminal looked at afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.local_tasks import running_task
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S, wait_until

from flow_core import Flow, FlowError, NotFound, Task
from flow_core.agent.processes.table import find_process
from flow_core.config import state_dir

SHELL = """\
import sys
from flow_core import Flow
with Flow("local") as flow:
    flow.shell(sys.argv[1], command=sys.argv[2] or None, record=sys.argv[3] == "record")
    print("after the shell", flush=True)
"""


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    state = tmp_path_factory.mktemp("shared")
    with running_task(state, "sleep 600", SHELL="/bin/sh") as task_id:
        yield state, task_id


@pytest.fixture
def task(_shared: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    """A running task, which the tests of this file share."""
    state, task_id = _shared
    monkeypatch.setenv("FLOW_STATE_DIR", str(state))
    monkeypatch.setenv("SHELL", "/bin/sh")
    with Flow("local") as flow:
        yield flow.get_task(task_id)


def on_terminal(task: Task, command: str = "", record: str = "") -> Screen:
    argv = [sys.executable, "-W", "ignore", "-c", SHELL, task.task_id, command, record]
    return Screen(argv, {"PYTHONPATH": str(ROOT), "PS1": "in the task> "}, columns=80, rows=24)


def on_pipes(task: Task, command: str, record: str = "", *under: str) -> subprocess.CompletedProcess[bytes]:
    argv = [*under, sys.executable, "-W", "ignore", "-c", SHELL, task.task_id, command, record]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S, check=False)


def until_raw(screen: Screen) -> None:
    screen.wait_for(lambda text: not screen.is_cooked() and text.strip())


def test_keys_output_and_the_window_size_are_passed_on(task: Task) -> None:
    with on_terminal(task) as screen:
        until_raw(screen)
        screen.send("echo $((6*7)) in $(pwd)", "enter")
        screen.wait_for("42 in ")
        screen.send("stty size", "enter")
        screen.wait_for("24 80")
        screen.resize(100, 30)
        deadline = time.monotonic() + 30
        while "30 100" not in screen.text():
            assert time.monotonic() < deadline
            screen.send("stty size", "enter")
            screen.settle(0.2)
        screen.send("exit 3", "enter")
        screen.wait_for("after the shell")
        assert screen.wait_exit() == 0
        assert screen.is_cooked()
    assert task.refresh().is_running


def test_ctrl_c_is_sent_to_the_remote_side(task: Task) -> None:
    with on_terminal(task) as screen:
        until_raw(screen)
        screen.send("sleep 600", "enter")
        screen.settle(0.2)
        screen.send("ctrl+c")
        screen.send("echo code $?", "enter")
        screen.wait_for("code 130")
        screen.send("ctrl+d")
        screen.wait_for("after the shell")
        assert screen.wait_exit() == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_the_terminal_is_restored_when_a_signal_ends_the_program(task: Task, number: int, code: int) -> None:
    with on_terminal(task) as screen:
        until_raw(screen)
        screen.send("echo $((6*7))", "enter")
        screen.wait_for("42")
        screen.signal(number)
        assert screen.wait_exit() == code
        assert screen.is_cooked()
    assert task.refresh().is_running


def test_the_terminal_is_restored_when_the_task_ends(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "1")
    with Flow("local") as flow:
        task = flow.submit("sleep 600").wait_until_started(20)
    with on_terminal(task) as screen:
        until_raw(screen)
        task.cancel(force=True)
        screen.wait_for("after the shell")
        assert screen.wait_exit() == 0
        assert screen.is_cooked()


def test_signals_work_in_a_shell_whatever_the_program_that_opens_it_ignores(task: Task) -> None:
    ignoring = ("sh", "-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh")
    done = on_pipes(task, "grep SigIgn /proc/self/status", "", *ignoring)
    assert (int(done.stdout.split()[1], 16) & 0b111, done.returncode) == (0, 0)


def test_a_command_runs_on_the_terminal_too(task: Task) -> None:
    with on_terminal(
        task, "stty size; test -t 0 && test -t 1 && echo on a terminal; read word; echo got $word"
    ) as screen:
        screen.wait_for("on a terminal")
        assert "24 80" in screen.text()
        screen.send("keys", "enter")
        screen.wait_for("got keys")
        screen.wait_for("after the shell")
        assert screen.wait_exit() == 0
        assert screen.is_cooked()


def test_much_output_arrives_whole_and_in_order(task: Task) -> None:
    with on_terminal(task, "seq 20000") as screen:
        screen.wait_for("after the shell", DEADLINE_S)
        assert screen.wait_exit() == 0
        numbers = [int(line) for line in screen.raw.split(b"\n") if line.strip().isdigit()]
        assert numbers == list(range(1, 20001))


def test_without_a_terminal_streams_stay_apart_and_invalid_utf8_is_replaced(task: Task) -> None:
    done = on_pipes(task, r"echo err >&2; printf 'a\303\244b\377c\303'; exit 3")
    assert (done.returncode, done.stderr) == (0, b"err\n")
    assert done.stdout.decode() == "aäb\ufffdc\ufffdafter the shell\n"


def test_megabytes_go_through_a_pipe(task: Task) -> None:
    done = on_pipes(task, "head -c 3000000 /dev/zero | tr '\\0' x")
    assert done.stdout == b"x" * 3_000_000 + b"after the shell\n"


def test_a_reader_that_leaves_ends_the_command(task: Task, tmp_path: Path) -> None:
    command = f"echo $$ > {tmp_path}/pid; exec yes"
    script = f"{sys.executable} -W ignore -c '{SHELL}' {task.task_id} '{command}' '' 2>/dev/null | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stdout == b"y\n"
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: (left := find_process(pid)) is None or left.is_zombie)


def test_a_shell_needs_a_terminal(task: Task, capfd: pytest.CaptureFixture[str]) -> None:
    with Flow("local") as flow:
        with pytest.raises(FlowError, match="needs a terminal, and there is none here"):
            flow.shell(task.task_id)
        with pytest.raises(NotFound):
            flow.shell("nobody", command="true")
        flow.shell(task.task_id, command="echo here")
        task.shell("echo there")
    assert capfd.readouterr().out == "here\nthere\n"


def take_recording() -> tuple[dict[str, object], list[tuple[float, str, str]]]:
    (path,) = (state_dir() / "recordings").glob("*.cast")
    assert path.stat().st_mode & 0o777 == 0o600
    header, *events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.unlink()  # the next test records in the same folder
    return header, [(when, kind, text) for when, kind, text in events]


def test_a_recorded_shell_can_be_played(task: Task) -> None:
    with on_terminal(task, record="record") as screen:
        until_raw(screen)
        screen.send("echo $((6*7)) ä", "enter")
        screen.wait_for("42 ä")
        screen.resize(100, 30)
        screen.settle(0.5)
        screen.send("exit", "enter")
        screen.wait_for("recorded in ")
        assert screen.wait_exit() == 0
    header, events = take_recording()
    assert (header["version"], header["width"], header["height"]) == (2, 80, 24)
    times = [when for when, _, _ in events]
    assert times == sorted(times)
    assert "42 ä" in "".join(text for _, kind, text in events if kind == "o")
    assert [text for _, kind, text in events if kind == "r"] == ["100x30"]
    assert {kind for _, kind, _ in events} == {"o", "r"}  # what was typed is not in it


def test_a_recorded_command_without_a_terminal_names_the_recording(task: Task) -> None:
    done = on_pipes(task, "echo words", "record")
    assert done.stdout.replace(b"\r\n", b"\n") == b"words\nafter the shell\n"
    header, events = take_recording()
    assert f"recorded in {state_dir()}/recordings/{task.task_id}-".encode() in done.stderr
    assert (header["width"], header["height"]) == (80, 24)
    assert "".join(text for _, _, text in events) == "words\r\n"
