"""A task written in the user's editor: the real program hands its terminal over and takes it back."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.driving import assert_terminal_restored, fill, quit_dashboard, status_of, submit
from testbed.editor import FakeEditor
from testbed.pty_screen import Screen

OpenDashboard = Callable[..., Screen]
MOUSE_ON, MOUSE_OFF = b"\x1b[?1003h", b"\x1b[?1003l"


@pytest.fixture
def editor(tmp_path: Path) -> FakeEditor:
    folder = tmp_path / "editor"
    folder.mkdir()
    return FakeEditor(folder)


def dashboard(open_dashboard: OpenDashboard, editor: FakeEditor, columns: int = 120, rows: int = 36) -> Screen:
    return open_dashboard(columns=columns, rows=rows, VISUAL="", EDITOR=shlex.quote(str(editor.path)))


@pytest.mark.parametrize(("columns", "rows"), [(120, 36), (80, 24)])
def test_a_task_written_in_the_editor_is_submitted_and_the_terminal_is_as_before(
    open_dashboard: OpenDashboard, editor: FakeEditor, columns: int, rows: int
) -> None:
    editor.does("write(text.replace('name: typed', 'name: written') + 'env: {GREETING: hello}\\n')")
    screen = dashboard(open_dashboard, editor, columns, rows)
    screen.send("ctrl+n")
    screen.wait_for("New task")
    fill(screen, "typed", "echo $GREETING from $FLOW_TASK_NAME; sleep 300")
    screen.send("ctrl+e")
    screen.wait_for("GREETING=hello")
    assert screen.raw.count(MOUSE_OFF) >= 1
    assert screen.raw.rfind(MOUSE_ON) > screen.raw.rfind(MOUSE_OFF)
    screen.send("ctrl+s")
    screen.wait_for(lambda text: "New task" not in text)
    screen.wait_for(status_of("written", "running"))
    screen.send("l")
    screen.wait_for("hello from")
    screen.send("1")
    quit_dashboard(screen)


def test_a_refused_text_is_said_with_its_line_and_the_form_is_as_it_was(
    open_dashboard: OpenDashboard, editor: FakeEditor
) -> None:
    editor.does("write('command: ls\\nnum_instances: 0\\n')")
    screen = dashboard(open_dashboard, editor)
    screen.send("ctrl+n")
    screen.wait_for("New task")
    fill(screen, "kept", "echo kept")
    screen.send("ctrl+e")
    text = screen.wait_for("task.yaml:2: num_instances: ")
    assert "echo kept" in text


def test_while_the_editor_has_the_terminal_nothing_else_is_written_to_it(
    open_dashboard: OpenDashboard, editor: FakeEditor, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    editor.does(f"print('EDITING', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)")
    screen = dashboard(open_dashboard, editor)
    submit(screen, "ticking", "while :; do echo tick; sleep 0.1; done")
    screen.wait_for(status_of("ticking", "running"))
    screen.send("ctrl+e")
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
    quit_dashboard(screen)


def test_interrupting_the_editor_leaves_the_dashboard_running(
    open_dashboard: OpenDashboard, editor: FakeEditor
) -> None:
    editor.does("print('EDITING', flush=True)\nsignal.pause()")
    screen = dashboard(open_dashboard, editor)
    screen.send("ctrl+e")
    screen.wait_for("EDITING")
    screen.send("ctrl+c")
    screen.wait_for(lambda _: screen.raw.rfind(MOUSE_ON) > screen.raw.rfind(MOUSE_OFF))
    screen.send("esc")
    screen.wait_for(lambda text: "New task" not in text)
    quit_dashboard(screen)


def test_terminating_the_dashboard_ends_the_editor_and_restores_the_terminal(
    open_dashboard: OpenDashboard, editor: FakeEditor, state: Path
) -> None:
    editor.does("print('EDITING', flush=True)\nsignal.pause()")
    screen = dashboard(open_dashboard, editor)
    screen.send("ctrl+e")
    screen.wait_for("EDITING")
    screen.signal(signal.SIGTERM)
    assert screen.wait_exit() == 128 + signal.SIGTERM
    assert_terminal_restored(screen)
    with pytest.raises(ProcessLookupError):
        os.kill(editor.seen[0]["pid"], 0)
    assert list((state / "edits").iterdir()) == []
