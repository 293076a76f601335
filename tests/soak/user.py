"""A user at the dashboard who does the same things again and again, and ends where they began."""

from __future__ import annotations

import os
import select
import time

from testbed.driving import trigger
from testbed.pty_screen import Screen
from testbed.terminal_answers import TerminalAnswers

SIZES = ((80, 24), (160, 48), (60, 15), (20, 5), (120, 36))
LOOK_S = 0.15
SLOW_S = 1.0


class SoakUser:
    """Types at a screen, and reads what is painted without keeping it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._answers = TerminalAnswers(screen._fd)
        self._keep = b""

    def act(self) -> None:
        """One round through panes, dialogs, a shell and sizes. Takes about twenty seconds."""
        self.press(*"jjjkGg", pause_s=0.05)
        self._read_logs()
        self._open_dialogs()
        self._use_a_shell()
        self.press("/", "short", "enter", "j", "esc")
        for columns, rows in SIZES:
            self._screen.resize(columns, rows)
            self.read(LOOK_S)
        time.sleep(SLOW_S)  # a terminal that accepts nothing
        self.go_home()

    def go_home(self) -> None:
        """Leaves whatever is open: the tasks have the keys, and the cursor is on the first of them.

        On a busy machine a key may come before what it is meant for, so that more is open than expected.
        """
        self.press("ctrl+]", *["esc"] * 6)
        trigger(self._screen, "app.show_tasks")
        self.press("g")
        self.read(0.5)

    def press(self, *keys: str, pause_s: float = LOOK_S) -> None:
        for key in keys:
            self._screen.send(key)
            self.read(pause_s)

    def read(self, seconds: float) -> None:
        """Raises AssertionError if the dashboard has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._screen._fd], [], [], left)[0]:
                self._take()

    def look(self, wanted: str) -> None:
        """Has everything painted again, and raises AssertionError unless this text is on the screen then."""
        columns, rows = self._screen._screen.columns, self._screen._screen.lines
        self._screen.resize(columns - 1, rows)
        self._screen.settle(0.2, 2.0)
        self._screen.resize(columns, rows)
        self._screen.wait_for(wanted)
        self._screen.raw.clear()

    def _read_logs(self) -> None:
        trigger(self._screen, "tasks.logs")
        self.press("k", "k", "pgup", "G", "/", "line", "enter", "n", "N", "w", "w", "esc")
        trigger(self._screen, "app.show_tasks")

    def _open_dialogs(self) -> None:
        self.press("d", "m", "[", "]", "esc")
        self.press("?", "esc", "ctrl+p", "log", "esc", "2", "j", "3", "j", "1")
        trigger(self._screen, "app.new_task")
        self.press("esc", "esc", "y", "Y", "e", "esc")

    def _use_a_shell(self) -> None:
        """In the first task that runs, which the dashboard finds by a filter."""
        self.press("/", "writer", "enter", "s")
        self.read(1.0)
        self.press("seq 1 500", "enter")
        self.read(0.5)
        self.press("exit", "enter")
        self.read(0.5)
        self.press("ctrl+]", "esc", "1", "/", "ctrl+u", "enter")

    def _take(self) -> None:
        try:
            data = os.read(self._screen._fd, 1 << 16)
        except OSError as error:
            raise AssertionError(f"the dashboard ended; the last it painted: {self._keep[-3000:]!r}") from error
        self._keep = (self._keep + data)[-(1 << 16) :]
        self._answers.feed(data)
