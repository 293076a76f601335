"""Counts the lines of a big log in the background. It keeps one number and the open colours per MiB."""

from __future__ import annotations

import asyncio
import os
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from flow_core.agent.regular_files import open_regular_file
from flow_core.logs.open_colours import LONGEST_SEQUENCE, apply_colours
from flow_core.logs.text_style import PLAIN, TextStyle

BLOCK = 1024 * 1024
_SLICE = 64 * BLOCK
_FINGERPRINT = 64


@dataclass(frozen=True, slots=True)
class _ScanResult:
    """The result of one scan, made in a thread and applied by the counter's owner."""

    replaced: bool
    newlines: tuple[int, ...]
    styles: tuple[TextStyle, ...]
    size: int
    tail: bytes
    identity: tuple[int, int]


class LineCounter:
    """The number of lines in the scanned part of a file. It finds the start of any line in about a millisecond.

    `catch_up` scans appended bytes; `update` does the same synchronously. A file that was replaced or cut short is
    scanned again from its start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reset()

    @property
    def scanned(self) -> int:
        """The number of bytes that were scanned."""
        return self._scanned

    @property
    def line_count(self) -> int:
        """The number of lines in the scanned part; the last line counts without a newline too."""
        return self._newlines(len(self._totals)) + bool(self._tail and not self._tail.endswith(b"\n"))

    async def catch_up(self) -> None:
        """Scans to the current end of the file in a thread, in slices. Cancelling it ends it early."""
        while self._apply_scan(await asyncio.to_thread(self._scan_slice)):
            pass

    def update(self) -> None:
        """Scans to the current end of the file. Blocking."""
        while self._apply_scan(self._scan_slice()):
            pass

    def find_line_start(self, number: int) -> int | None:
        """Returns the offset at which a line starts; None after the last scanned newline."""
        if number <= 0:
            return 0 if number == 0 and self._scanned else None
        block = bisect_left(self._totals, number)
        if block == len(self._totals):
            return None
        data, position = self._read(block * BLOCK, BLOCK), -1
        for _ in range(number - self._newlines(block)):
            position = data.find(b"\n", position + 1)
        return block * BLOCK + position + 1

    def find_open_style(self, offset: int) -> tuple[int, TextStyle]:
        """Returns the last offset at or before this one for which the open colours are known, and the colours.

        It is less than 1 MiB before `offset` in the scanned part of the file.
        """
        block = min(offset // BLOCK, len(self._styles))
        return block * BLOCK, self._styles[block - 1] if block else PLAIN

    def _newlines(self, blocks: int) -> int:
        return self._totals[blocks - 1] if blocks else 0

    def _read(self, offset: int, length: int) -> bytes:
        try:
            fd = open_regular_file(self._path)
        except OSError:
            return b""
        try:
            return os.pread(fd, min(length, self._scanned - offset), offset)
        finally:
            os.close(fd)

    def _reset(self) -> None:
        self._totals = array("Q")
        self._styles: list[TextStyle] = []
        """The open colours after each whole block."""
        self._scanned = 0
        self._tail = b""
        self._identity = (0, 0)

    def _scan_slice(self) -> _ScanResult | None:
        """Scans one slice. Does not change the counter, so it may run in a thread."""
        try:
            fd = open_regular_file(self._path)
        except OSError:
            return None
        try:
            return self._scan_file(fd)
        finally:
            os.close(fd)

    def _scan_file(self, fd: int) -> _ScanResult:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        replaced = self._scanned > 0 and (
            identity != self._identity
            or status.st_size < self._scanned
            or os.pread(fd, len(self._tail), self._scanned - len(self._tail)) != self._tail
        )
        start = 0 if replaced else self._scanned // BLOCK * BLOCK
        style = self._styles[start // BLOCK - 1] if start else PLAIN
        newlines, styles, end = _scan_blocks(fd, start, min(status.st_size, start + _SLICE), style)
        tail = os.pread(fd, min(_FINGERPRINT, end), max(0, end - _FINGERPRINT))
        return _ScanResult(replaced, newlines, styles, end, tail, identity)

    def _apply_scan(self, result: _ScanResult | None) -> bool:
        """Adds the result of a scan; None (an unreadable file) resets the counter. Returns whether there is more."""
        if result is None or result.replaced:
            self._reset()
        if result is None:
            return False
        grew = result.size > self._scanned
        del self._totals[self._scanned // BLOCK :], self._styles[self._scanned // BLOCK :]
        for newlines in result.newlines:
            self._totals.append(self._newlines(len(self._totals)) + newlines)
        self._styles += result.styles
        self._scanned, self._tail, self._identity = result.size, result.tail, result.identity
        return grew


def _scan_blocks(
    fd: int, start: int, stop: int, style: TextStyle
) -> tuple[tuple[int, ...], tuple[TextStyle, ...], int]:
    """Counts the newlines of each block in a range that starts on a block, and finds the style after each whole block.

    Also returns the end that it reached. Uses one buffer for all blocks, with room for a sequence that goes on in the
    next block.
    """
    buffer = bytearray(BLOCK + LONGEST_SEQUENCE)
    counts, styles = [], []
    while start < stop:
        size = os.preadv(fd, [buffer], start)
        count = min(size, stop - start, BLOCK)
        if count <= 0:
            break
        counts.append(buffer.count(b"\n", 0, count))
        if count == BLOCK:
            style = apply_colours(style, buffer if size == len(buffer) else buffer[:size], BLOCK)
            styles.append(style)
        start += count
        if count < BLOCK:
            break
    return tuple(counts), tuple(styles), start
