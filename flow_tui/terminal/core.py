"""The interface between a shell pane and whatever emulates its terminal, and how one is chosen."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from importlib.util import find_spec
from typing import NamedTuple, Protocol

from flow_core.logs.ansi import TextStyle

SCROLLBACK_BYTES = 20_000_000
CHOICE_VARIABLE = "FLOW_TERMINAL_CORE"


class Run(NamedTuple):
    """Neighbouring cells of one style. `width` counts columns, and is what Rich measures for `text`."""

    text: str
    style: TextStyle
    width: int


class LineCells(NamedTuple):
    """A row's characters, one a column: a wide one is followed by an empty string. `wraps`: it goes on below."""

    cells: tuple[str, ...]
    wraps: bool


class Cursor(NamedTuple):
    """Where the cursor stands in the visible rows, counted from 0."""

    x: int
    y: int
    visible: bool


class MouseTracking(IntEnum):
    """Which mouse events the far side wants; each includes the ones before it."""

    OFF = 0
    PRESS = 1
    CLICK = 2
    DRAG = 3
    MOVE = 4


@dataclass(frozen=True, slots=True)
class Modes:
    """What the far side switched on."""

    application_cursor: bool = False
    bracketed_paste: bool = False
    alternate_screen: bool = False
    focus_reports: bool = False
    synchronized: bool = False
    mouse: MouseTracking = MouseTracking.OFF
    mouse_sgr: bool = False


class TerminalCore(Protocol):
    """One emulated terminal. Nothing that is fed to it raises, whatever the bytes."""

    name: str
    cols: int
    rows: int

    def feed(self, data: bytes) -> None:
        """Takes output of the far side. Sequences and characters may be cut anywhere."""

    def resize(self, cols: int, rows: int) -> None:
        """Changes the size; every row is dirty afterwards."""

    def dirty_rows(self) -> list[int]:
        """Visible rows that changed since the last call. Asking settles what `row` and `cursor` answer."""

    def row(self, y: int) -> tuple[Run, ...]:
        """A visible row, exactly `cols` wide, as it stood at the last `dirty_rows`."""

    @property
    def cursor(self) -> Cursor:
        """Hidden while the view is scrolled past it."""

    @property
    def modes(self) -> Modes: ...

    @property
    def title(self) -> str:
        """What the far side called the window: printable, at most 80 characters, empty if it never did."""

    def take_replies(self) -> bytes:
        """What the far side is owed for its questions, at most once."""

    def take_bell(self) -> bool:
        """True if the bell rang since the last call."""

    def take_clipboard(self) -> str | None:
        """What the far side last asked to have on the clipboard, at most once; it is never told what is there."""

    @property
    def scrollback_rows(self) -> int:
        """Rows that are kept above the screen."""

    @property
    def scroll_offset(self) -> int:
        """How many rows the view stands above the live screen; 0 is live."""

    def scroll_to(self, offset: int) -> None:
        """Moves the view, no further than there are rows."""

    @property
    def first_line(self) -> int:
        """The number of the oldest row that is kept. It grows as rows are dropped, so that a row keeps its number
        until the size changes; the screen's rows come after those of the scrollback."""

    def line(self, number: int) -> LineCells:
        """A row of the scrollback or the screen; an empty one for a number that is not, or no longer, there."""

    def texts(self, first: int, last: int) -> list[tuple[str, bool]]:
        """Rows as text without their blank ends, both ends included, and whether each wraps; 20 us a row at most."""

    def close(self) -> None:
        """Frees what the core holds. Twice is safe; nothing else may be called afterwards."""


CoreFactory = Callable[[int, int], TerminalCore]


def load_core() -> CoreFactory:
    """Imports the core this machine has: the native one where installed, else the pure Python one.

    `FLOW_TERMINAL_CORE=bittty` asks for the second. The native import takes about 0.2 s, so this
    waits for the first shell, in a thread of the caller.
    """
    if os.environ.get(CHOICE_VARIABLE) != "bittty" and find_spec("pyghostty") is not None:
        try:
            from flow_tui.terminal.ghostty_core import GhosttyCore
        except (ImportError, OSError):  # installed, but its library doesn't load here: musl, an old glibc
            pass
        else:
            return GhosttyCore
    from flow_tui.terminal.bittty_core import BitttyCore

    return BitttyCore


def open_core(cols: int, rows: int) -> TerminalCore:
    """A new terminal of this size, by the core this machine has."""
    return load_core()(cols, rows)
