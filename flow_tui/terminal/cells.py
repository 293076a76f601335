"""Joins cells of one style to runs, removes undrawable characters, and makes widths agree with Rich."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import groupby
from typing import TypeVar

from rich.cells import cell_len

from flow_core.logs.text_style import TextStyle
from flow_tui.terminal.core import Run

Cell = tuple[str, int, TextStyle]
"""Text, columns, style."""

Key = TypeVar("Key")

_TITLE_LENGTH = 80
_UNDRAWABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_VARIATION_SELECTORS = {0xFE0E: None, 0xFE0F: None}


def join_plain(text: str, keys: Iterable[Key], style_of: Callable[[Key, int], TextStyle]) -> tuple[Run, ...] | None:
    """Joins a row of printable ASCII, one character a column. Returns None for any other row. This is the fast path.

    `keys` has one key for each column; columns with equal keys have one style. Calls `style_of` once for each run, with
    the key and the first column of the run.
    """
    if not (text.isascii() and text.isprintable()):
        return None
    runs: list[Run] = []
    x = 0
    for key, group in groupby(keys):
        width = len(list(group))
        style = style_of(key, x)
        runs.append(Run(" " * width if style.hidden else text[x : x + width], style, width))
        x += width
    return tuple(runs)


def join_cells(cells: Iterable[Cell]) -> tuple[Run, ...]:
    """Joins neighbouring cells of equal style. The total width stays the same."""
    runs: list[Run] = []
    texts: list[str] = []
    columns = 0
    style: TextStyle | None = None
    for text, width, cell_style in cells:
        if style is not cell_style and style != cell_style:
            if style is not None:
                _append_runs(runs, texts, columns, style)
            texts, columns, style = [], 0, cell_style
        texts.append(text if width == 1 and len(text) == 1 and " " <= text <= "~" else fit(text, width))
        columns += width
    if style is not None:
        _append_runs(runs, texts, columns, style)
    return tuple(runs)


def _append_runs(runs: list[Run], texts: list[str], columns: int, style: TextStyle) -> None:
    joined = "".join(texts)
    if joined.isascii() or cell_len(joined) == columns:
        runs.append(Run(joined, style, columns))
        return
    # Rich measures some characters differently when they are joined, such as the two halves of a flag.
    runs.extend(Run(text, style, cell_len(text)) for text in texts)


def split_runs(row: Iterable[Run]) -> tuple[str, ...]:
    """Splits a row into one string for each column; an empty string follows a wide character."""
    cells: list[str] = []
    for run in row:
        if run.text.isascii():
            cells.extend(run.text)
            continue
        for character in run.text:
            columns = cell_len(character)
            if columns:
                cells += [character, ""][:columns]
            elif cells:
                at = -1 if cells[-1] else -2
                cells[at] += character
    return tuple(cells)


@lru_cache(maxsize=4096)
def fit(text: str, width: int) -> str:
    """Replaces a grapheme cluster of `width` columns with a text that Rich measures as `width`."""
    drawable = "".join(" " if _is_space(c) else c for c in text if unicodedata.category(c) not in _UNDRAWABLE)
    for candidate in (drawable, drawable.translate(_VARIATION_SELECTORS), drawable[:1]):
        if candidate and cell_len(candidate) == width:
            return candidate
    narrow = drawable[:1]
    if narrow and 0 < cell_len(narrow) < width:
        return narrow + " " * (width - cell_len(narrow))
    return " " * width


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs" and character != "\u3000"


def to_plain_text(text: str) -> str:
    """Makes foreign text one line without undrawable characters."""
    shown = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _UNDRAWABLE)
    return " ".join("".join(shown).split())


def to_plain_title(text: str) -> str:
    """Makes foreign text printable as `to_plain_text` does, and cuts it to 80 characters for a border."""
    return to_plain_text(text)[:_TITLE_LENGTH]
