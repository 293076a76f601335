"""The rows that a terminal shows for some bytes: tmux, and the terminal cores. The reference for the log engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.waiting import DEADLINE_S

from flow_core.logs.text_style import PLAIN, TextStyle
from flow_tui.terminal.bittty_core import BitttyCore
from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.core_loader import CoreFactory

COLS, ROWS = 1000, 256
_HISTORY_ROWS = 2_000_000
_DONE = "all-bytes-were-read"
# A title cannot overtake the bytes before it. `ESC \\` ends a string that they left open.
_END_MARK = f"\x1b\\\x1b]2;{_DONE}\x07".encode()
# As a task's pseudo-terminal: a line feed becomes CR LF. After CR LF a second CR changes nothing.
_WRITE = 'stty -echo -icanon opost onlcr tab0 && cat "$1" && exec cat >/dev/null'
# Ends the server should the process of the tests be killed.
_GUARD = "while kill -0 {pid} 2>/dev/null; do sleep 1; done; tmux -S {socket} kill-server"
_POLL_S = 0.005
_LINE_FEED = re.compile(rb"\r?\n")
Cells = tuple[tuple[str, TextStyle], ...]
"""Neighbouring columns of one style."""


class Tmux:
    """A hidden tmux server with one terminal for each call of `rows_of`. Leaving the `with` block ends it."""

    def __init__(self, cols: int = COLS, rows: int = ROWS) -> None:
        self._size = ("-x", str(cols), "-y", str(rows))
        self._folder = Path()
        self._count = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="truth-", dir="/tmp"))
        guard = _GUARD.format(pid=os.getpid(), socket=self._folder / "socket")
        options = ("set", "-g", "history-limit", str(_HISTORY_ROWS), ";", "set", "-g", "status", "off", ";")
        self._run(*options, "new-session", "-d", *self._size, guard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run("kill-server")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def rows_of(self, data: bytes, *, colours: bool = False) -> list[str]:
        """Returns every row, those of the history first, without trailing blanks and without trailing empty rows.

        A line that wrapped is one row. With `colours`, rows contain the SGR sequences that tmux writes.
        """
        self._count += 1
        file = self._folder / f"bytes-{self._count}"
        file.write_bytes(data + _END_MARK)
        pane = self._run("new-window", "-d", "-P", "-F", "#{pane_id}", "sh", "-c", _WRITE, "sh", str(file)).strip()
        try:
            self._wait_for_title(pane)
            captured = self._run("capture-pane", "-p", "-J", *["-e"] * colours, "-S", "-", "-E", "-", "-t", pane)
        finally:
            self._run("kill-pane", "-t", pane)
            file.unlink()
        return trim_rows(captured.split("\n"))

    def _wait_for_title(self, pane: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while self._run("display-message", "-p", "-t", pane, "#{pane_title}").strip() != _DONE:
            assert time.monotonic() < deadline, "tmux did not read all bytes in time"
            time.sleep(_POLL_S)

    def _run(self, *words: str) -> str:
        argv = ["tmux", "-u", "-S", str(self._folder / "socket"), "-f", "/dev/null", *words]
        env = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        done = subprocess.run(
            argv, env=env | {"LC_ALL": "C.UTF-8"}, capture_output=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace")


def rows_of_tmux(data: bytes, cols: int = COLS, rows: int = ROWS) -> list[str]:
    """Returns what `Tmux.rows_of` returns. Takes about 0.1 s; use one `Tmux` for many calls."""
    with Tmux(cols, rows) as tmux:
        return tmux.rows_of(data)


def rows_of_core(
    data: bytes | list[bytes], core: CoreFactory = BitttyCore, cols: int = COLS, rows: int = ROWS
) -> list[str]:
    """Returns the rows in the form of `rows_of_tmux`. A list is fed piece by piece."""
    with _fed(data, core, cols, rows) as terminal:
        first = terminal.first_line
        shown: list[str] = []
        continues = False
        for text, wraps in terminal.get_texts(first, first + terminal.scrollback_rows + rows - 1):
            shown[-1:] = [shown[-1] + text] if continues else [*shown[-1:], text]
            continues = wraps
        return trim_rows(shown)


def cells_of_core(
    data: bytes | list[bytes], core: CoreFactory = BitttyCore, cols: int = COLS, rows: int = ROWS
) -> list[Cells]:
    """Returns the rows of the screen with their styles, without trailing plain blanks and trailing empty rows."""
    with _fed(data, core, cols, rows) as terminal:
        dirty = set(terminal.take_dirty_rows())
        found = [trim_cells((run.text, run.style) for run in terminal.get_row(y)) for y in range(rows) if y in dirty]
    while found and not found[-1]:
        found.pop()
    return found


def trim_rows(rows: list[str]) -> list[str]:
    """Removes what can't be seen: blanks at the ends of rows, and empty rows at the end."""
    trimmed = [row.rstrip() for row in rows]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    return trimmed


def trim_cells(runs: Iterator[tuple[str, TextStyle]]) -> Cells:
    """Removes blanks in the default style from the end of a row, and joins neighbours of one style."""
    joined: list[tuple[str, TextStyle]] = []
    for text, style in runs:
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        else:
            joined.append((text, style))
    if joined and joined[-1][1] == PLAIN:
        text = joined.pop()[0].rstrip(" ")
        joined += [(text, PLAIN)] if text else []
    return tuple(joined)


def find_visible(rows: list[Cells]) -> list[tuple[int, int, str, TextStyle]]:
    """Each character that is not blank, with its place and its style. A terminal colours blanks when it erases."""
    found = []
    for y, cells in enumerate(rows):
        styled = [(char, style) for text, style in cells for char in text]
        found += [(y, x, char, style) for x, (char, style) in enumerate(styled) if char != " "]
    return found


@contextmanager
def _fed(data: bytes | list[bytes], core: CoreFactory, cols: int, rows: int) -> Iterator[TerminalCore]:
    terminal = core(cols, rows)
    try:
        for piece in [data] if isinstance(data, bytes) else data:
            terminal.feed(_LINE_FEED.sub(b"\r\n", piece))
        yield terminal
    finally:
        terminal.close()
