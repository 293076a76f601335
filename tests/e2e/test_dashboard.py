"""A day at the dashboard: the real program in a real terminal, on real local tasks."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

from testbed.driving import assert_terminal_restored, fill, quit_dashboard, squeezed, status_of, submit, trigger
from testbed.pty_screen import Screen

STEPS = "for i in 1 2 3; do echo step $i; sleep .2; done"
OpenDashboard = Callable[..., Screen]


def test_what_is_done_on_one_day_at_several_sizes_is_found_by_the_next_dashboard(open_dashboard: OpenDashboard) -> None:
    first = open_dashboard()
    submit_a_task_and_read_its_log(first)
    first.resize(80, 24)
    cancel_a_task_after_a_yes(first)
    first.resize(60, 15)
    create_two_volumes_and_delete_one(first)
    use_a_shell_and_leave(first)
    second = open_dashboard(columns=80, rows=24)
    second.wait_for(status_of("counting", "completed"))
    trigger(second, "tasks.filter")
    second.settle()
    second.send("counting", "enter")
    second.wait_for(lambda text: "counting" in text and "workshop" not in text)
    trigger(second, "tasks.logs")
    second.wait_for("step 3")
    trigger(second, "app.show_volumes")
    assert "scratch-one" not in second.wait_for("kept-volume")
    quit_dashboard(second)


def submit_a_task_and_read_its_log(screen: Screen) -> None:
    submit(screen, "counting", STEPS)
    trigger(screen, "tasks.logs")
    screen.wait_for("step 3")
    trigger(screen, "app.show_tasks")
    screen.wait_for(status_of("counting", "completed"))


def cancel_a_task_after_a_yes(screen: Screen) -> None:
    submit(screen, "sleeper", "sleep 300")
    screen.wait_for(status_of("▸ sleeper", "running"))
    trigger(screen, "tasks.cancel")
    screen.wait_for("End sleeper?")
    screen.send("enter")
    screen.wait_for(lambda text: "End sleeper?" not in text)
    screen.wait_for(status_of("sleeper", "running"))
    trigger(screen, "tasks.cancel")
    screen.wait_for("End sleeper?")
    trigger(screen, "confirm.agree")
    screen.wait_for(status_of("sleeper", "cancelled"))


def create_two_volumes_and_delete_one(screen: Screen) -> None:
    trigger(screen, "app.show_volumes")
    screen.settle()
    create_volume(screen, "scratch-one")
    trigger(screen, "volumes.delete")
    screen.wait_for("Delete volume scratch-one?")
    trigger(screen, "confirm.agree")
    screen.wait_for(lambda text: "scratch-one" not in text)
    create_volume(screen, "kept-volume")
    trigger(screen, "app.show_tasks")
    screen.settle()


def create_volume(screen: Screen, name: str) -> None:
    trigger(screen, "volumes.create")
    screen.wait_for("New volume")
    fill(screen, name, "2")
    trigger(screen, "form.send")
    screen.wait_for(lambda text: "New volume" not in text and name in text)


def use_a_shell_and_leave(screen: Screen) -> None:
    submit(screen, "workshop", "sleep 300")
    screen.wait_for(status_of("▸ workshop", "running"))
    trigger(screen, "tasks.shell")
    screen.wait_for(re.compile(r"(?m)[$#%] *┃?$").search)
    screen.settle()
    screen.send("echo $((6*7))", "enter")
    screen.wait_for(re.compile(r"(?m)^\W*42\b").search)
    screen.send("ctrl+]", "esc")
    screen.wait_for("new task")
    trigger(screen, "app.show_tasks")
    screen.wait_for("workshop")
    trigger(screen, "app.quit")
    screen.wait_for(re.compile(r"shell", re.IGNORECASE).search)
    trigger(screen, "confirm.agree")
    assert screen.wait_exit() == 0
    assert_terminal_restored(screen)


def test_two_dashboards_see_each_others_tasks_which_outlive_one_that_is_killed(
    open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    one, other = open_dashboard(), open_dashboard(columns=80, rows=24)
    submit(one, "shared-task", "sleep 300")
    other.wait_for(status_of("shared-task", "running"))
    trigger(other, "tasks.cancel")
    other.wait_for("End shared-task?")
    trigger(other, "confirm.agree")
    one.wait_for(status_of("shared-task", "cancelled"))
    gate = tmp_path / "gate"
    submit(one, "survivor", f"while [ ! -e {gate} ]; do sleep .05; done; echo after")
    one.wait_for(status_of("survivor", "running"))
    one.signal(signal.SIGKILL)
    assert one.wait_exit() == 128 + signal.SIGKILL
    gate.touch()
    other.wait_for(status_of("survivor", "completed"))
    trigger(other, "tasks.first", "tasks.logs")
    other.wait_for("after")


def test_wrong_input_hostile_output_and_other_sizes_do_no_harm(open_dashboard: OpenDashboard) -> None:
    screen = open_dashboard()
    trigger(screen, "app.new_task")
    screen.wait_for("New task")
    fill(screen, "Not_A_Name!", r"printf '[bold]%b[/x] end-of-line\n' '\033]0;stolen\007\033[2J'")
    trigger(screen, "form.send")
    text = screen.wait_for("must be at most 128")
    assert "Not_A_Name!" in text
    assert "printf '[bold]%b[/x]" in text
    fill(screen, "hostile")
    trigger(screen, "form.send")
    screen.wait_for(lambda text: "New task" not in text and "hostile" in text)
    screen.wait_for("end-of-line")
    screen.wait_for("Tasks")
    assert b"stolen\x07" not in screen.raw
    for columns, rows in [(80, 24), (60, 15), (160, 48), (20, 5), (200, 60), (80, 24)]:
        screen.resize(columns, rows)
        if rows >= 15:
            screen.wait_for("hostile")
    screen.signal(signal.SIGTERM)
    screen.wait_exit()
    assert_terminal_restored(screen)


def test_a_broken_config_is_one_sentence_and_read_only_refuses_every_change(
    open_dashboard: OpenDashboard, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("contexts:\n  lab: {provider: nowhere}\n", encoding="utf-8")
    screen = open_dashboard("--read-only", FLOW_CONFIG=str(config))
    screen.wait_for(lambda text: squeezed("lab.provider: 'nowhere'") in squeezed(text))
    screen.wait_for("READ-ONLY")
    trigger(screen, "app.new_task", "app.help")
    screen.wait_for("Keys: tasks")
    assert b"New task" not in screen.raw
