"""A task written in the user's editor: the real program hands its terminal over and takes it back."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.driving import assert_terminal_restored, fill, quit_dashboard, status_of, submit, trigger
from testbed.editor import FakeEditor
from testbed.pty_screen import Screen

OpenDashboard = Callable[..., Screen]
MOUSE_ON, MOUSE_OFF = b"\x1b[?1003h", b"\x1b[?1003l"


@pytest.fixture
def editor(tmp_path: Path) -> FakeEditor:
    folder = tmp_path / "editor"
    folder.mkdir()
    return FakeEditor(folder)


def dashboard(open_dashboard: OpenDashboard, editor: FakeEditor) -> Screen:
    return open_dashboard(VISUAL="", EDITOR=shlex.quote(str(editor.path)))


def test_a_task_written_in_the_editor_is_submitted_once_it_is_no_longer_refused(
    open_dashboard: OpenDashboard, editor: FakeEditor
) -> None:
    editor.does("write('command: ls\\nnum_instances: 0\\n')")
    screen = dashboard(open_dashboard, editor)
    trigger(screen, "app.new_task")
    screen.wait_for("New task")
    fill(screen, "typed", "echo $GREETING from $FLOW_TASK_NAME; sleep 300")
    trigger(screen, "submit.edit")
    text = screen.wait_for("task.yaml:2: num_instances: ")
    assert "echo $GREETING" in text
    assert "name: typed" in editor.seen[0]["text"]
    editor.does("write('name: written\\ncommand: echo $GREETING from there\\nenv: {GREETING: hello}\\n')")
    trigger(screen, "submit.edit")
    screen.wait_for("GREETING=hello")
    assert screen.raw.count(MOUSE_OFF) >= 2
    assert screen.raw.rfind(MOUSE_ON) > screen.raw.rfind(MOUSE_OFF)
    trigger(screen, "form.send")
    screen.wait_for(lambda text: "New task" not in text)
    screen.wait_for(status_of("written", "completed"))
    trigger(screen, "tasks.logs")
    screen.wait_for("hello from there")
    trigger(screen, "app.show_tasks")
    quit_dashboard(screen)


def test_while_the_editor_has_the_terminal_nothing_else_is_written_to_it_and_it_ends_with_the_dashboard(
    open_dashboard: OpenDashboard, editor: FakeEditor, tmp_path: Path, state: Path
) -> None:
    gate = tmp_path / "gate"
    editor.does(f"print('EDITING', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)")
    screen = dashboard(open_dashboard, editor)
    submit(screen, "ticking", "while :; do echo tick; sleep 0.1; done")
    screen.wait_for(status_of("ticking", "running"))
    trigger(screen, "app.write_task")
    screen.wait_for("EDITING")
    assert screen.is_cooked()
    screen.settle()
    before = len(screen.raw)
    until = time.monotonic() + 1.5  # more than one tick of the clock in the table
    while time.monotonic() < until:
        screen.pump(0.1)
    assert bytes(screen.raw[before:]) == b""
    gate.touch()
    screen.wait_for(lambda text: "EDITING" not in text and "New task" in text and status_of("ticking", "running")(text))
    screen.send("esc")
    screen.wait_for(lambda text: "New task" not in text)

    editor.does("print('EDITING', flush=True)\nsignal.pause()")
    trigger(screen, "app.write_task")
    screen.wait_for("EDITING")
    screen.send("ctrl+c")  # ends the editor only
    screen.wait_for(lambda _: screen.raw.rfind(MOUSE_ON) > screen.raw.rfind(MOUSE_OFF))
    screen.send("esc")
    screen.wait_for(lambda text: "New task" not in text)

    trigger(screen, "app.write_task")
    screen.wait_for("EDITING")
    screen.signal(signal.SIGTERM)
    assert screen.wait_exit() == 128 + signal.SIGTERM
    assert_terminal_restored(screen)
    with pytest.raises(ProcessLookupError):
        os.kill(editor.seen[-1]["pid"], 0)
    assert list((state / "edits").iterdir()) == []
