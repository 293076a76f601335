"""The control sequences (CSI) that move the cursor or change text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from flow_core.logs.shown.row_stack import SCREEN_ROWS

if TYPE_CHECKING:
    from flow_core.logs.shown.screen import LiveScreen

LAST_COLUMN = 999
"""The last column that a movement of the cursor reaches. Text may be longer."""

_is_numbers = re.compile(rb"[0-9;]*\Z").match
_ALTERNATE = (b"?47", b"?1047", b"?1049")


def apply_csi(screen: LiveScreen, params: bytes, final: bytes, now: int) -> None:
    """Applies a sequence that ends at the offset `now`, except colours. Ignores one that moves or erases nothing."""
    if (command := _COMMANDS.get(final)) is not None:
        if numbers := _parse_numbers(params):
            command(screen, numbers, now)
    elif final in b"hl":
        _switch_screen(screen, params, final == b"h", now)


@lru_cache(maxsize=4096)
def _parse_numbers(params: bytes) -> tuple[int, ...]:
    """Returns the parameters, 0 for one that is left out; nothing if they are not numbers."""
    if not _is_numbers(params):
        return ()
    return tuple(min(int(text[:6] or 0), 100_000) for text in params.split(b";"))


def _count(numbers: tuple[int, ...]) -> int:
    return max(1, numbers[0])


def _up(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    screen.move_rows(-_count(numbers), now)


def _down(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    screen.move_rows(_count(numbers), now)


def _forward(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.set_column(screen.column + _count(numbers))


def _back(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.set_column(screen.column - _count(numbers))


def _next_line(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    _down(screen, numbers, now)
    screen.column = 0


def _previous_line(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    _up(screen, numbers, now)
    screen.column = 0


def _column(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.set_column(_count(numbers) - 1)


def _row(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    screen.set_row(_count(numbers) - 1, now)


def _position(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    screen.set_row(_count(numbers) - 1, now)
    screen.set_column(_count(numbers[1:] or (1,)) - 1)


def _erase_display(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    stack, row = screen.stack, screen.row
    is_at_home = row == stack.top and screen.column == 0
    if numbers[0] == 2 or (numbers[0] == 0 and is_at_home):
        screen.row = stack.clear_screen(row, now)
    elif numbers[0] == 0:
        stack.get_row(row).clip(screen.column)
        for other in range(row + 1, len(stack.rows)):
            stack.get_row(other).clear()
    elif numbers[0] == 1:
        for other in range(stack.top, row):
            stack.get_row(other).clear()
        stack.get_row(row).blank(0, screen.column + 1)


def _erase_line(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    row = screen.stack.get_row(screen.row)
    if numbers[0] == 0:
        row.clip(screen.column)
    elif numbers[0] == 1:
        row.blank(0, screen.column + 1)
    elif numbers[0] == 2:
        row.clear()


def _insert_rows(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.stack.insert_rows(screen.row, _count(numbers))
    screen.column = 0


def _delete_rows(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.stack.delete_rows(screen.row, _count(numbers))
    screen.column = 0


def _insert_blanks(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.stack.get_row(screen.row).insert(screen.column, min(_count(numbers), LAST_COLUMN))


def _delete_characters(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.stack.get_row(screen.row).delete(screen.column, _count(numbers))


def _erase_characters(screen: LiveScreen, numbers: tuple[int, ...], _now: int) -> None:
    screen.stack.get_row(screen.row).blank(screen.column, screen.column + _count(numbers))


def _set_region(screen: LiveScreen, numbers: tuple[int, ...], now: int) -> None:
    last = numbers[1] if len(numbers) > 1 and numbers[1] else SCREEN_ROWS
    screen.stack.set_region(_count(numbers) - 1, last - 1)
    screen.set_row(0, now)
    screen.column = 0


def _save(screen: LiveScreen, _numbers: tuple[int, ...], _now: int) -> None:
    screen.save_cursor()


def _restore(screen: LiveScreen, _numbers: tuple[int, ...], now: int) -> None:
    screen.restore_cursor(now)


def _switch_screen(screen: LiveScreen, params: bytes, is_on: bool, now: int) -> None:
    if params not in _ALTERNATE:
        return
    if is_on and not screen.stack.is_alternate:
        if params == b"?1049":
            screen.save_cursor()
        row = screen.row - screen.stack.top
        screen.stack.enter_alternate(now)
        screen.row = screen.stack.grow_to(screen.stack.top + row, now)
    elif not is_on and screen.stack.is_alternate:
        row = screen.row - screen.stack.top
        screen.stack.leave_alternate()
        screen.row = screen.stack.grow_to(screen.stack.top + row, now)
        if params == b"?1049":
            screen.restore_cursor(now)


_COMMANDS: dict[bytes, Callable[[LiveScreen, tuple[int, ...], int], None]] = {
    b"A": _up,
    b"B": _down,
    b"e": _down,
    b"C": _forward,
    b"a": _forward,
    b"D": _back,
    b"E": _next_line,
    b"F": _previous_line,
    b"G": _column,
    b"`": _column,
    b"d": _row,
    b"H": _position,
    b"f": _position,
    b"J": _erase_display,
    b"K": _erase_line,
    b"L": _insert_rows,
    b"M": _delete_rows,
    b"@": _insert_blanks,
    b"P": _delete_characters,
    b"X": _erase_characters,
    b"r": _set_region,
    b"s": _save,
    b"u": _restore,
}
