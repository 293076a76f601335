"""Finds lines with a text in a log of this machine, for a client that searches the logs of many tasks.

The client runs the user's pattern on these lines, so that no pattern of a user can block the agent.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.agent.regular_files import open_regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BLOCK = 1 << 20
_LINE_BYTES = 16384
_ALL_BYTES = 1 << 20
_drop_colours = re.compile(rb"\x1b\[[0-9;:]*m").sub


class LineQuery(NamedTuple):
    """Lines from the offset `start` on that contain `text`, at most `limit`, with `context` lines around each.

    Colours are ignored. `text` is in lower case with `ignores_case`.
    """

    text: bytes
    ignores_case: bool
    start: int
    limit: int
    context: int


def find_lines(path: Path, query: LineQuery, progress: Callable[[], None]) -> dict[str, Any]:
    """Returns lines as [number, offset, text in Latin-1, whether it has the text], how far it read, and if it stopped.

    A log that does not exist has no lines. Long lines are cut, and at most about 1 MiB is returned. Raises OSError.
    """
    collector = _Collector(query)
    try:
        fd = open_regular_file(path)
    except FileNotFoundError:
        return collector.report()
    try:
        for offset, block in _read_blocks(fd, query.start):
            if not collector.take(offset, block):
                break
            progress()
    finally:
        os.close(fd)
    return collector.report()


class _Collector:
    """Collects the lines of a query from blocks of whole lines."""

    def __init__(self, query: LineQuery) -> None:
        self._query = query
        self._lines: list[list[Any]] = []
        self._before: list[tuple[int, int, bytes]] = []
        self._number = 0
        self._left_after = 0
        self._found = self._bytes = 0
        self._searched = query.start
        self._is_cut = False

    def take(self, offset: int, block: bytes) -> bool:
        """Searches a block; returns whether to go on."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if not self._left_after and not self._has_text(block):
            skipped = lines[: max(0, len(lines) - 1 - self._query.context)]
            offset += sum(map(len, skipped)) + len(skipped)
            self._number += len(skipped)
            lines = lines[len(skipped) :]
        for raw in lines:
            if not self._take_line(offset, raw):
                return False
            offset += len(raw) + 1
        return True

    def report(self) -> dict[str, Any]:
        return {"lines": self._lines, "searched": self._searched, "is_cut": self._is_cut}

    def _take_line(self, offset: int, raw: bytes) -> bool:
        query, has_text = self._query, self._has_text(raw)
        self._searched = offset
        if has_text and (self._found == query.limit or self._bytes > _ALL_BYTES):
            self._is_cut = True
            return False
        if has_text:
            for line in self._before:
                self._add(*line, has_text=False)
            self._before.clear()
            self._found += 1
            self._left_after = query.context
            self._add(self._number, offset, raw, has_text=True)
        elif self._left_after:
            self._left_after -= 1
            self._add(self._number, offset, raw, has_text=False)
        elif query.context:
            self._before = [*self._before[1 - query.context :], (self._number, offset, raw)][-query.context :]
        self._number += 1
        return True

    def _add(self, number: int, offset: int, raw: bytes, *, has_text: bool) -> None:
        self._bytes += min(len(raw), _LINE_BYTES)
        self._lines.append([number, offset, raw[:_LINE_BYTES].decode("latin-1"), has_text])

    def _has_text(self, data: bytes) -> bool:
        if b"\x1b" in data:
            data = _drop_colours(b"", data)
        return self._query.text in (data.lower() if self._query.ignores_case else data)


def _read_blocks(fd: int, start: int) -> Iterator[tuple[int, bytes]]:
    """Yields whole lines with their offset; a line that is longer than 16 MiB in pieces."""
    offset, length = start, _BLOCK
    while data := os.pread(fd, length, offset):
        end = data.rfind(b"\n") + 1
        if not end and len(data) == length < 16 * _BLOCK:
            length *= 4
            continue
        yield offset, data[: end or len(data)]
        offset, length = offset + (end or len(data)), _BLOCK
