"""Interprets many lines at once that only add rows at the end: text in colours, with tabs and with CRLF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from flow_core.logs.shown.characters import is_one_column_each
from flow_core.logs.shown.grid import TAB
from flow_core.logs.shown.row import Row
from flow_core.logs.text_style import PLAIN, TextStyle, apply_sgr

find_other = re.compile(
    rb"[\x00-\x08\x0b-\x1f\x7f\xfe\xff](?<!\r(?=\n))(?<!\x1b(?=\[[0-9;:]*m))",
).search
"""Finds the first byte that does something else: a control character or sequence, or a byte order mark."""

_split_sgr = re.compile(rb"\x1b\[([0-9;:]*)m").split
_split_sgr_text = re.compile("\x1b\\[([0-9;:]*)m").split


class LineBatch(NamedTuple):
    """Rows with the offset of each, and the state after them: the offset, the style, and what was written last."""

    rows: list[Row | str]
    offsets: list[int]
    end: int
    style: TextStyle
    last_text: str


def parse_lines(data: bytes, offset: int, style: TextStyle) -> LineBatch:
    """Interprets whole lines, in which `find_other` finds nothing, that begin at `offset` on empty rows."""
    raw = data.split(b"\n")
    raw.pop()
    offsets = list(accumulate((len(line) + 1 for line in raw), initial=offset))
    end = offsets.pop()
    has_cr = b"\r" in data
    texts = (data.replace(b"\r\n", b"\n") if has_cr else data).decode("utf-8", "replace").split("\n")
    texts.pop()
    if style == PLAIN and b"\x1b" not in data and b"\t" not in data and is_one_column_each("".join(texts)):
        return LineBatch(list(texts), offsets, end, style, texts[-1])
    rows: list[Row | str] = []
    last = ""
    for line, text, start in zip(raw, texts, offsets, strict=True):
        if "\x1b" not in text and style == PLAIN and "\t" not in text and is_one_column_each(text):
            rows.append(text)
            last = text or last
            continue
        parts = _split_sgr_text(text)
        shown = "".join(parts[::2])
        if "\t" not in shown and is_one_column_each(shown):
            runs, style, written_at = _make_runs(parts, style, start)
            rows.append(Row.from_runs(runs, len(shown), written_at))
            last = runs[-1][0] if runs else last
        else:
            row, style, written = _write_parts(_split_sgr(line.removesuffix(b"\r")), style, start)
            rows.append(row)
            last = written or last
    return LineBatch(rows, offsets, end, style, last)


def _make_runs(parts: list[str], style: TextStyle, offset: int) -> tuple[list[tuple[str, TextStyle]], TextStyle, int]:
    """Returns the runs of a line, split at its colours, the style after it, and the offset of its first text."""
    texts = parts[::2]
    styles, is_distinct = _list_styles(style, tuple(parts[1::2]))
    if not is_distinct or "" in texts[1:-1]:
        return _merge_runs(parts, styles, offset)
    runs = list(zip(texts, styles, strict=True))
    if not texts[-1]:
        runs.pop()
    if runs and not texts[0]:
        del runs[0]
        offset += len(parts[1]) + 3 if runs else 0
    return runs, styles[-1], offset


def _merge_runs(
    parts: list[str], styles: tuple[TextStyle, ...], offset: int
) -> tuple[list[tuple[str, TextStyle]], TextStyle, int]:
    """Returns what `_make_runs` does where some texts are empty, or some styles equal the ones before them."""
    runs: list[tuple[str, TextStyle]] = []
    written_at = offset
    for number, (text, style) in enumerate(zip(parts[::2], styles, strict=True)):
        if number and not runs:
            written_at += len(parts[2 * number - 1]) + 3
        if text and runs and runs[-1][1] == style:
            runs[-1] = (runs[-1][0] + text, style)
        elif text:
            runs.append((text, style))
    return runs, styles[-1], written_at if runs else offset


@lru_cache(maxsize=2048)
def _list_styles(style: TextStyle, sequences: tuple[str, ...]) -> tuple[tuple[TextStyle, ...], bool]:
    """Returns the style before and after each colour sequence, and whether each one changes the style."""
    styles = [style]
    for params in sequences:
        styles.append(apply_sgr(styles[-1], params.encode()))
    return tuple(styles), all(one != other for one, other in pairwise(styles))


def _write_parts(parts: Sequence[bytes], style: TextStyle, offset: int) -> tuple[Row, TextStyle, str]:
    """Writes a line, split at its colours, character by character where it must be. Returns also its last text."""
    row = Row(written_at=offset)
    column, last = 0, ""
    for number, part in enumerate(parts):
        if number % 2:
            style = apply_sgr(style, part)
            offset += len(part) + 3
            continue
        for at, piece in enumerate(part.split(b"\t")):
            if at:
                column += TAB - column % TAB
                offset += 1
            if piece:
                last = piece.decode("utf-8", "replace")
                if column != row.width or not row.width:
                    row.written_at = offset
                column = row.write(column, last, style)
                offset += len(piece)
    return row, style, last
