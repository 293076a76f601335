"""Combines the redraws of several bars as tqdm writes them: down some rows, the text of a bar, and up again."""

from __future__ import annotations

import re
from typing import NamedTuple

from flow_core.logs.shown.characters import is_one_column_each
from flow_core.logs.shown.redraws import fold_redraws

CURSOR_UP = b"\x1b[A"

_match_run = re.compile(
    rb"(?:\n+\r?[^\x00-\x1f\x7f]*(?:\x1b\[A)+(?:\r[^\x00-\x1f\x7f]*(?![^\r\n]))*)+",
).match
_iter_bars = re.compile(rb"(\n*)\r?([^\x00-\x1f\x7f]*)((?:\x1b\[A)*)").finditer


class BarRedraws(NamedTuple):
    """What redraws of bars leave, by the number of rows that a bar is below the cursor.

    `written` has the position of the last text of each bar; `end` is the position after all redraws.
    """

    texts: dict[int, str]
    written: dict[int, int]
    end: int
    column: int
    last_text: str


def find_bars_end(data: bytes, position: int, end: int) -> int:
    """Returns the position after the redraws of bars that begin at `position`; `position` if there are none."""
    run = _match_run(data, position, end) if data[position : position + 1] == b"\n" else None
    return run.end() if run else position


def parse_bars(data: bytes, position: int, end: int, rows_below: int) -> BarRedraws | None:
    """Combines redraws up to the first one that doesn't return to its row or that needs more rows than `rows_below`.

    Returns None if there is none before that, or if characters don't take one column each.
    """
    pieces: dict[int, list[bytes]] = {}
    written: dict[int, int] = {}
    column, last = 0, b""
    for bar in _iter_bars(data, position, end):
        newlines, text, ups = bar.groups()
        below = len(newlines)
        if below > rows_below or len(ups) != below * len(CURSOR_UP) or bar.end() == bar.start():
            break
        position, column = bar.end(), 0
        if text:
            pieces.setdefault(below, []).append(text)
            written[below] = bar.start(2)
            last = text
            column = -1
    if not pieces:
        return None
    texts = {below: b"\n".join(redraws).decode("utf-8", "replace").split("\n") for below, redraws in pieces.items()}
    if not all(is_one_column_each("".join(redraws)) for redraws in texts.values()):
        return None
    last_text = last.decode("utf-8", "replace")
    folded = {below: fold_redraws(redraws) for below, redraws in texts.items()}
    return BarRedraws(folded, written, position, len(last_text) if column else 0, last_text)
