"""A day at the dashboard: the real program in a real terminal, on real local tasks."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.driving import assert_terminal_restored, fill, quit_dashboard, squeezed, status_of, submit
from testbed.pty_screen import Screen

SIZES = [(120, 36), (80, 24), (60, 15)]
STEPS = "for i in 1 2 3; do echo step $i; sleep .2; done"
RUNNING, COMPLETED, CANCELLED = ("running",), ("completed",), ("cancelled",)
OpenDashboard = Callable[..., Screen]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def dashboard(request: pytest.FixtureRequest, open_dashboard: OpenDashboard) -> Screen:
    columns, rows = request.param
    return open_dashboard(columns=columns, rows=rows)


def test_a_task_is_submitted_its_log_is_read_and_it_completes(dashboard: Screen) -> None:
    submit(dashboard, "counting", STEPS)
    dashboard.send("l")
    dashboard.wait_for("step 3")
    dashboard.send("1")
    dashboard.wait_for(status_of("counting", *COMPLETED))
    quit_dashboard(dashboard)


def test_a_running_task_is_cancelled_only_after_a_yes(dashboard: Screen) -> None:
    submit(dashboard, "sleeper", "sleep 300")
    dashboard.wait_for(status_of("sleeper", *RUNNING))
    dashboard.send("ctrl+d")
    dashboard.wait_for("End sleeper?")
    dashboard.send("enter")
    dashboard.wait_for(lambda text: "End sleeper?" not in text)
    dashboard.wait_for(status_of("sleeper", *RUNNING))
    dashboard.send("ctrl+d")
    dashboard.wait_for("End sleeper?")
    dashboard.send("y")
    dashboard.wait_for(status_of("sleeper", *CANCELLED))
    quit_dashboard(dashboard)


def test_a_volume_is_made_and_deleted(dashboard: Screen) -> None:
    dashboard.send("3")
    dashboard.settle()
    dashboard.send("c")
    dashboard.wait_for("New volume")
    fill(dashboard, "scratch-one", "2")
    dashboard.send("ctrl+s")
    dashboard.wait_for(lambda text: "New volume" not in text and "scratch-one" in text)
    dashboard.send("ctrl+d")
    dashboard.wait_for("Delete volume scratch-one?")
    dashboard.send("y")
    dashboard.wait_for(lambda text: "scratch-one" not in text)
    quit_dashboard(dashboard)


def test_a_shell_opens_in_a_running_task_and_gives_the_keys_back(dashboard: Screen) -> None:
    submit(dashboard, "workshop", "sleep 300")
    dashboard.wait_for(status_of("workshop", *RUNNING))
    dashboard.send("s")
    dashboard.wait_for(re.compile(r"(?m)[$#%] *┃?$").search)
    dashboard.settle()
    dashboard.send("echo $((6*7))", "enter")
    dashboard.wait_for(re.compile(r"(?m)^\W*42\b").search)
    dashboard.send("ctrl+]", "esc")
    dashboard.wait_for("new task")
    dashboard.send("1")
    dashboard.wait_for("workshop")
    dashboard.send("q")
    dashboard.wait_for(re.compile(r"shell", re.IGNORECASE).search)
    dashboard.send("y")
    assert dashboard.wait_exit() == 0
    assert_terminal_restored(dashboard)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_a_second_start_finds_what_the_first_left(open_dashboard: OpenDashboard, columns: int, rows: int) -> None:
    first = open_dashboard(columns=columns, rows=rows)
    submit(first, "kept-task", "echo remembered")
    first.wait_for(status_of("kept-task", *COMPLETED))
    first.send("3")
    first.settle()
    first.send("c")
    first.wait_for("New volume")
    fill(first, "kept-volume", "2")
    first.send("ctrl+s")
    first.wait_for(lambda text: "New volume" not in text and "kept-volume" in text)
    quit_dashboard(first)
    second = open_dashboard(columns=columns, rows=rows)
    second.wait_for(status_of("kept-task", *COMPLETED))
    second.send("l")
    second.wait_for("remembered")
    second.send("3")
    second.wait_for("kept-volume")


def test_a_task_outlives_the_dashboard_that_was_killed(open_dashboard: OpenDashboard, tmp_path: Path) -> None:
    first = open_dashboard()
    gate = tmp_path / "gate"
    submit(first, "survivor", f"while [ ! -e {gate} ]; do sleep .05; done; echo after")
    first.wait_for(status_of("survivor", *RUNNING))
    first.signal(signal.SIGKILL)
    assert first.wait_exit() == 128 + signal.SIGKILL
    gate.touch()
    second = open_dashboard()
    second.wait_for(status_of("survivor", *COMPLETED))
    second.wait_for("after")


def test_two_dashboards_see_each_others_tasks(open_dashboard: OpenDashboard) -> None:
    one, other = open_dashboard(), open_dashboard(columns=80, rows=24)
    submit(one, "shared-task", "sleep 300")
    other.wait_for(status_of("shared-task", *RUNNING))
    other.send("ctrl+d")
    other.wait_for("End shared-task?")
    other.send("y")
    one.wait_for(status_of("shared-task", *CANCELLED))


def test_a_form_keeps_what_was_typed_and_names_the_field_that_is_wrong(open_dashboard: OpenDashboard) -> None:
    screen = open_dashboard()
    screen.send("ctrl+n")
    screen.wait_for("New task")
    fill(screen, "Not_A_Name!", "echo typed-before")
    screen.send("ctrl+s")
    text = screen.wait_for("must be at most 128")
    assert "Not_A_Name!" in text
    assert "echo typed-before" in text


def test_a_name_or_log_with_markup_and_control_bytes_is_shown_and_changes_nothing(
    open_dashboard: OpenDashboard,
) -> None:
    screen = open_dashboard()
    submit(screen, "hostile", r"printf '[bold]%b[/x] end-of-line\n' '\033]0;stolen\007\033[2J'")
    screen.wait_for("end-of-line")
    screen.wait_for("Tasks")
    assert b"stolen\x07" not in screen.raw


def test_a_broken_config_is_one_sentence_and_the_dashboard_still_opens(
    open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("contexts:\n  lab: {provider: nowhere}\n", encoding="utf-8")
    screen = open_dashboard(FLOW_CONFIG=str(config))
    screen.wait_for(lambda text: squeezed("lab.provider: 'nowhere'") in squeezed(text))


def test_read_only_refuses_every_change(open_dashboard: OpenDashboard) -> None:
    screen = open_dashboard("--read-only")
    screen.send("ctrl+n")
    screen.wait_for(re.compile(r"read.only", re.IGNORECASE).search)
    assert "New task" not in screen.text()


def test_a_resize_to_every_size_leaves_the_tasks_in_view(open_dashboard: OpenDashboard) -> None:
    screen = open_dashboard()
    submit(screen, "elastic", "sleep 300")
    for columns, rows in [*SIZES, (160, 48), (20, 5), (200, 60), (80, 24)]:
        screen.resize(columns, rows)
        if rows >= 15:
            screen.wait_for("elastic")


def test_termination_restores_the_terminal(open_dashboard: OpenDashboard) -> None:
    screen = open_dashboard()
    screen.signal(signal.SIGTERM)
    screen.wait_exit()
    assert_terminal_restored(screen)
