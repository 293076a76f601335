"""Reads the lines that pass filters as blocks of text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from flow_core.logs.export import LogBlock
from flow_core.logs.filtered.kept_lines import KeptLines
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.shown_log import ShownLog

_LINES = 500
_NEAR_BYTES = 16 * 1024


def read_kept_blocks(log: ShownLog, kept: KeptLines, start: int, end: int) -> Iterator[LogBlock]:
    """Yields the kept lines that begin in a range of offsets, each with a newline. Does blocking I/O.

    It owns the log, whose files are not open yet, and the lines.
    """
    with closing(log), closing(kept):
        log.refresh()
        number, stop = kept.find(start), kept.find(end)
        while number < stop:
            lines = _read_lines(log, kept, number, stop)
            number += len(lines)
            text = "".join(f"{line.text}\n" for line in lines if line is not None)
            yield LogBlock(text.encode("utf-8", "replace"), kept[number] // 2 if number < stop else end)


def _read_lines(log: ShownLog, kept: KeptLines, first: int, stop: int) -> list[ShownLine | None]:
    """Returns the kept lines from number `first` on, about 500 or fewer; None for one that a redraw has removed."""
    offset, wanted = kept[first] // 2, first + 1
    while wanted < min(stop, first + _LINES) and kept[wanted] // 2 < offset + _NEAR_BYTES:
        wanted += 1
    found: dict[int, ShownLine] = {}
    last = kept[wanted - 1] // 2
    while offset <= last:
        lines = [line for line in log.lines_from(offset, _LINES if wanted > first + 1 else 1) if line.offset >= offset]
        if not lines:
            break
        found.update((line.offset, line) for line in lines)
        offset = lines[-1].offset + 1
    return [found.get(kept[number] // 2) for number in range(first, wanted)]
