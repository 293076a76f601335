"""The interface of terminal cores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from flow_core.logs.text_style import TextStyle
from flow_tui.terminal.core_events import OscEvents

SCROLLBACK_BYTES = 20_000_000


class Run(NamedTuple):
    """Neighbouring cells of one style. `width` is in columns, and equals the width that Rich measures for `text`."""

    text: str
    style: TextStyle
    width: int


class LineCells(NamedTuple):
    """A row as one string a column; an empty string follows a wide character. `wraps`: the line continues below."""

    cells: tuple[str, ...]
    wraps: bool


class Cursor(NamedTuple):
    """Position of the cursor in the visible rows, counted from 0."""

    x: int
    y: int
    visible: bool


class MouseTracking(IntEnum):
    """The mouse events that the program wants. Each level includes the previous ones."""

    OFF = 0
    PRESS = 1
    CLICK = 2
    DRAG = 3
    MOVE = 4


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes that the program has set."""

    application_cursor: bool = False
    bracketed_paste: bool = False
    alternate_screen: bool = False
    focus_reports: bool = False
    synchronized: bool = False
    mouse: MouseTracking = MouseTracking.OFF
    mouse_sgr: bool = False


class TerminalCore(Protocol):
    """One emulated terminal. No input raises, whatever its bytes."""

    name: str
    cols: int
    rows: int
    events: OscEvents

    def feed(self, data: bytes) -> None:
        """Processes output of the shell. Sequences and characters may be split anywhere."""

    def resize(self, cols: int, rows: int) -> None:
        """Changes the size. Every row is dirty afterwards."""

    def take_dirty_rows(self) -> list[int]:
        """Returns the visible rows that changed since the last call. `get_row` and `cursor` are as of this call."""

    def get_row(self, y: int) -> tuple[Run, ...]:
        """Returns a visible row, exactly `cols` wide, as of the last `take_dirty_rows`."""

    @property
    def cursor(self) -> Cursor:
        """The cursor; hidden while it is outside of the view."""

    @property
    def modes(self) -> Modes: ...

    @property
    def is_in_update(self) -> bool:
        """Whether the program is drawing, and the screen must not be shown yet: `modes.synchronized`."""

    @property
    def scrollback_rows(self) -> int:
        """Number of rows above the screen."""

    @property
    def scroll_offset(self) -> int:
        """Number of rows that the view is scrolled back; 0 is the live screen."""

    def scroll_to(self, offset: int) -> None:
        """Scrolls the view, at most as far as there are rows."""

    @property
    def first_line(self) -> int:
        """Number of the oldest row of the scrollback. The rows of the screen follow those of the scrollback.

        It grows as rows are dropped, so that a row keeps its number until the size changes.
        """

    def get_line(self, number: int) -> LineCells:
        """Returns a row of the scrollback or the screen; an empty row for a number that doesn't exist."""

    def get_texts(self, first: int, last: int) -> list[tuple[str, bool]]:
        """Returns rows `first` to `last` as text without trailing blanks, and whether each wraps. Up to 20 us a row."""

    def close(self) -> None:
        """Frees the memory. Calling it again is safe; call nothing else afterwards."""
