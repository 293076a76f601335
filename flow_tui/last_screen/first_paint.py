"""Paints the kept screen before the app is loaded, and holds the terminal until the app takes it over."""

from __future__ import annotations

import os
import sys
import termios
import time

from flow_tui.last_screen.screen_file import KeptScreen, read_screen
from flow_tui.last_screen.start_identity import StartIdentity
from flow_tui.tty_guard import LEAVE, TtyGuard

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_INPUT, _OUTPUT, _SCREEN = 0, 1, 2  # the app reads keys from stdin and draws on stderr
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, no cursor, no line wrap
_CLOCK_SKEW_S = 60
_DAY_S = 86_400


class TakenTerminal:
    """What the app needs to restore the terminal later: the modes before the paint, and the guard if there is one."""

    __slots__ = ("guard", "modes")

    def __init__(self, modes: list[Any], guard: TtyGuard | None) -> None:
        self.modes = modes
        self.guard = guard


class HeldTerminal:
    """A terminal on which the kept screen is painted. It echoes nothing, and keeps what is typed for the app."""

    def __init__(self, modes: list[Any]) -> None:
        self._modes: list[Any] | None = modes
        self._guard: TtyGuard | None = TtyGuard(_SCREEN)  # before the paint: this process may be killed at any time

    def hand_over(self) -> TakenTerminal | None:
        """Gives the terminal to the caller. Returns None if it was given away or restored before."""
        if self._modes is None:
            return None
        taken = TakenTerminal(self._modes, self._guard)
        self._modes = self._guard = None
        return taken

    def restore(self) -> None:
        """Restores the terminal and drops the keys, which were meant for the app. Does nothing after `hand_over`."""
        if (taken := self.hand_over()) is None:
            return
        try:
            os.write(_SCREEN, LEAVE.encode())
            termios.tcflush(_INPUT, termios.TCIFLUSH)
            termios.tcsetattr(_INPUT, termios.TCSANOW, taken.modes)
        except (OSError, termios.error):  # it was closed
            pass
        if taken.guard is not None:
            taken.guard.dismiss()


def paint_last_screen(argv: Sequence[str]) -> HeldTerminal | None:
    """Paints the screen that an earlier session with these arguments kept for a terminal of this size.

    Returns None, and leaves the terminal alone, if there is no such screen or something has changed since.
    """
    try:
        if not _is_usable_terminal():
            return None
        columns, rows = os.get_terminal_size(_OUTPUT)
        screen = read_screen(StartIdentity(argv, os.environ).screen_path(columns, rows), rows)
        now = int(time.time())
        if screen is None or screen.kept_at > now + _CLOCK_SKEW_S or not screen.has_current_config:
            return None
        modes = termios.tcgetattr(_INPUT)
        held = HeldTerminal(modes)
        try:
            termios.tcsetattr(_INPUT, termios.TCSANOW, _make_silent(modes))
            _write(render_screen(screen, columns, now))
        except BaseException:  # Ctrl-C
            held.restore()
            raise
    except (OSError, termios.error):
        return None
    return held


def render_screen(screen: KeptScreen, columns: int, now: int) -> str:
    """Returns the control sequences that draw the screen, with its age in place of the first row."""
    rows = [[(screen.mark_style, describe_age(screen.kept_at, now).ljust(columns)[:columns])], *screen.rows[1:]]
    drawn = ("".join(f"\x1b[0;{style}m{text}" for style, text in row) for row in rows)
    placed = (f"\x1b[{number};1H{row}" for number, row in enumerate(drawn, start=1))
    return f"{_ENTER}{''.join(placed)}\x1b[0m"


def describe_age(kept_at: int, now: int) -> str:
    """Returns what the first row says: the time of the screen, its age, and that it is not live."""
    age_s = max(0, now - kept_at)
    written = time.strftime("%H:%M" if age_s < _DAY_S else "%Y-%m-%d %H:%M", time.localtime(kept_at))
    units = ((_DAY_S, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next(((size, unit) for size, unit in units if age_s >= size), units[-1])
    return f" flow-tui  as of {written}, {age_s // size} {unit} ago; loading"


def _is_usable_terminal() -> bool:
    return (
        all(map(os.isatty, (_INPUT, _OUTPUT, _SCREEN)))
        and os.environ.get("TERM") != "dumb"
        and "COLUMNS" not in os.environ  # the app would take its size from these
        and "LINES" not in os.environ
        and sys.stderr is not None
        and sys.stderr.encoding.lower() == "utf-8"
        and os.tcgetpgrp(_INPUT) == os.getpgrp()
    )


def _make_silent(modes: list[Any]) -> list[Any]:
    """Returns the modes without echo. Each key stays one key, as the app will read it; only Ctrl-C still ends it."""
    silent = [*modes]
    silent[0] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
    silent[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    silent[6] = [*modes[6]]
    silent[6][termios.VMIN], silent[6][termios.VTIME] = 1, 0
    disabled = bytes([os.fpathconf(_INPUT, "PC_VDISABLE") & 0xFF])
    silent[6][termios.VSUSP] = silent[6][termios.VQUIT] = disabled  # they would leave this screen behind
    return silent


def _write(text: str) -> None:
    data = text.encode()
    try:
        while data:
            data = data[os.write(_SCREEN, data) :]
    except OSError:  # closed, or it accepts no more now: the app draws everything again
        return
