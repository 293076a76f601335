"""What the dashboard sends to the terminal: only what has changed, unless everything is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable

from testbed.driving import trigger
from testbed.pty_screen import Screen

from flow_core import Flow

IDLE_SECOND, MOVE_IN_TABLE, MOVE_WITH_LOG = 1000, 1500, 4000
SECONDS = 2
MOVES = 4
NAMES = ("first", "second", "third")


def test_seconds_and_moves_of_the_cursor_send_only_what_changes(open_dashboard: Callable[..., Screen]) -> None:
    with Flow("local") as flow:
        for name in NAMES:
            command = f"for i in $(seq 30); do echo line $i of {name}; done; sleep 600"
            flow.submit(command, name=name, unique_name=False)
    screen = open_dashboard()
    screen.wait_for("line 30 of third")
    screen.settle(0.4)
    began = run_time_s(screen)
    sent = count_sent(screen, "", lambda _: run_time_s(screen) >= began + SECONDS)
    assert 0 < sent <= SECONDS * IDLE_SECOND
    with_log = [count_sent(screen, key, shows_log_of(name)) for key, name in moves()]
    assert max(with_log) <= MOVE_WITH_LOG
    trigger(screen, "app.show_tasks")  # again: in full size, without the log
    screen.wait_for(lambda text: "Log " not in text)
    in_table = [count_sent(screen, key, lambda text, name=name: f"▸ {name} " in text) for key, name in moves()]  # type: ignore[misc]
    assert max(in_table) <= MOVE_IN_TABLE


def test_the_key_that_refreshes_removes_what_another_program_wrote(open_dashboard: Callable[..., Screen]) -> None:
    screen = open_dashboard()
    shown = screen.wait_for("No tasks yet.")
    screen._stream.feed(b"\x1b[12;30HBroadcast message")
    assert screen.text() != shown
    trigger(screen, "app.refresh")
    screen.wait_for(lambda text: "Broadcast" not in text and "No tasks yet." in text)


def moves() -> list[tuple[str, str]]:
    """The keys of some moves, and the task that each goes to."""
    return [("down", "second"), ("up", "third")] * (MOVES // 2)


def shows_log_of(name: str) -> Callable[[str], bool]:
    return lambda text: f"▸ {name} " in text and f"Log  {name} " in text and f"line 30 of {name}" in text


def run_time_s(screen: Screen) -> int:
    """How long the first task has run, as the screen shows it."""
    found = re.search(rf"{NAMES[0]} .*running +(\d+)s", screen.text())
    return int(found[1]) if found else 0


def count_sent(screen: Screen, key: str, shown: Callable[[str], object]) -> int:
    """Sends a key, and returns how many bytes came until the screen showed its effect."""
    before = len(screen.raw)
    screen.send(key)
    screen.wait_for(shown)
    return len(screen.raw) - before
