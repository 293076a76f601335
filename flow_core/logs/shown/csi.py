"""The control sequences (CSI) that move the cursor or change text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from flow_core.logs.shown.grid import LAST_COLUMN, TAB, TerminalGrid
from flow_core.logs.shown.row_stack import SCREEN_ROWS

_is_numbers = re.compile(rb"[0-9;]*\Z").match
_ALTERNATE = (b"?47", b"?1047", b"?1049")


def apply_csi(grid: TerminalGrid, params: bytes, final: bytes, now: int) -> None:
    """Applies a sequence that ends at the offset `now`, except colours. Ignores one that moves or erases nothing."""
    if (command := _COMMANDS.get(final)) is not None:
        if numbers := _parse_numbers(params):
            command(grid, numbers)
    elif final == b"J":
        if numbers := _parse_numbers(params):
            _erase_display(grid, numbers[0], now)
    elif final == b"b":
        if numbers := _parse_numbers(params):
            _repeat(grid, numbers, now)
    elif final in b"hl":
        _switch_screen(grid, params, final == b"h", now)


@lru_cache(maxsize=4096)
def _parse_numbers(params: bytes) -> tuple[int, ...]:
    """Returns the parameters, 0 for one that is left out; nothing if they are not numbers."""
    if not _is_numbers(params):
        return ()
    return tuple(min(int(text[:6] or 0), 100_000) for text in params.split(b";"))


def _count(numbers: tuple[int, ...]) -> int:
    return max(1, numbers[0])


def _up(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.move_rows(-_count(numbers))


def _down(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.move_rows(_count(numbers))


def _forward(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_column(grid.column + _count(numbers))


def _back(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_column(grid.column - _count(numbers))


def _next_line(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    _down(grid, numbers)
    grid.column = 0


def _previous_line(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    _up(grid, numbers)
    grid.column = 0


def _column(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_column(_count(numbers) - 1)


def _row(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_row(_count(numbers) - 1)


def _position(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_row(_count(numbers) - 1)
    grid.set_column(_count(numbers[1:] or (1,)) - 1)


def _erase_display(grid: TerminalGrid, part: int, now: int) -> None:
    stack, row = grid.stack, grid.row
    is_at_home = row == stack.top and grid.column == 0
    if part == 2 or (part == 0 and is_at_home):
        grid.row = stack.clear_screen(row, now)
    elif part == 0:
        stack.get_row(row).clip(grid.column)
        for other in range(row + 1, len(stack.rows)):
            stack.get_row(other).clear()
    elif part == 1:
        for other in range(stack.top, row):
            stack.get_row(other).clear()
        stack.get_row(row).blank(0, grid.column + 1)


def _erase_line(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    row = grid.stack.get_row(grid.row)
    if numbers[0] == 0:
        row.clip(grid.column)
    elif numbers[0] == 1:
        row.blank(0, grid.column + 1)
    elif numbers[0] == 2:
        row.clear()


def _insert_rows(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.stack.insert_rows(grid.row, _count(numbers))
    grid.column = 0


def _delete_rows(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.stack.delete_rows(grid.row, _count(numbers))
    grid.column = 0


def _insert_blanks(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    row = grid.stack.get_row(grid.row)
    width = max(row.width, LAST_COLUMN + 1)
    row.insert(grid.column, min(_count(numbers), LAST_COLUMN))
    row.clip(width)


def _delete_characters(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.stack.get_row(grid.row).delete(grid.column, _count(numbers))


def _erase_characters(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.stack.get_row(grid.row).blank(grid.column, grid.column + _count(numbers))


def _repeat(grid: TerminalGrid, numbers: tuple[int, ...], now: int) -> None:
    room = LAST_COLUMN + 1 - grid.column
    if grid.last_text and room > 0:
        grid.write(grid.last_text[-1] * min(_count(numbers), room), now)


def _tab_forward(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_column((grid.column // TAB + _count(numbers)) * TAB)


def _tab_back(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    grid.set_column(-(-grid.column // TAB) * TAB - _count(numbers) * TAB)


def _scroll_up(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    for _ in range(min(_count(numbers), SCREEN_ROWS)):
        grid.row = grid.stack.scroll_up(grid.row)


def _scroll_down(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    if len(numbers) == 1:  # with five numbers it is about the mouse
        grid.stack.scroll_down(_count(numbers))


def _set_region(grid: TerminalGrid, numbers: tuple[int, ...]) -> None:
    last = numbers[1] if len(numbers) > 1 and numbers[1] else SCREEN_ROWS
    grid.set_region(_count(numbers) - 1, last - 1)


def _save(grid: TerminalGrid, _numbers: tuple[int, ...]) -> None:
    grid.save_cursor()


def _restore(grid: TerminalGrid, _numbers: tuple[int, ...]) -> None:
    grid.restore_cursor()


def _switch_screen(grid: TerminalGrid, params: bytes, is_on: bool, now: int) -> None:
    if params not in _ALTERNATE:
        return
    if is_on and not grid.stack.is_alternate:
        if params == b"?1049":
            grid.save_cursor()
        row = grid.row - grid.stack.top
        grid.stack.enter_alternate(now)
        grid.set_row(row)
    elif not is_on and grid.stack.is_alternate:
        row = grid.row - grid.stack.top
        grid.stack.leave_alternate()
        grid.set_row(row)
        if params == b"?1049":
            grid.restore_cursor()


_COMMANDS: dict[bytes, Callable[[TerminalGrid, tuple[int, ...]], None]] = {
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
    b"K": _erase_line,
    b"L": _insert_rows,
    b"M": _delete_rows,
    b"@": _insert_blanks,
    b"I": _tab_forward,
    b"Z": _tab_back,
    b"P": _delete_characters,
    b"X": _erase_characters,
    b"S": _scroll_up,
    b"T": _scroll_down,
    b"r": _set_region,
    b"s": _save,
    b"u": _restore,
}
