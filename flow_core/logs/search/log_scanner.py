"""Searches the file of a log block by block. Runs in the child process of a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from flow_core.agent.regular_files import open_regular_file
from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.ascii_block import AsciiBlock
from flow_core.logs.search.found_match import FoundMatch
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.raw_block import RawBlock, make_block
from flow_core.logs.sidecar import SidecarIndex

_BLOCK = 1 << 20
_FIRST_BLOCK = 1 << 16
_LINE_LIMIT = 16 << 20
Progress = Callable[[int], None]


class LogScanner:
    """A search in one log. With `stream`, it finds only lines that begin on this stream.

    `progress` is called with an offset after each block.
    """

    def __init__(self, files: SpoolFiles, matcher: LineMatcher, stream: int | None, progress: Progress) -> None:
        self._path = files.log
        self._matcher = matcher
        self._stream = stream
        self._sidecar = SidecarIndex(files.sidecar)
        self._progress = progress
        self._fd: int | None = None
        self._size = 0

    def refresh(self) -> int:
        """Opens the file, or opens it again if it was replaced. Returns its size, 0 if there is none."""
        try:
            status = os.stat(self._path)
            known = None if self._fd is None else os.fstat(self._fd)
            if known is None or (known.st_dev, known.st_ino) != (status.st_dev, status.st_ino):
                self.close()
                self._fd = open_regular_file(self._path)
        except OSError:
            self.close()
        self._size = 0 if self._fd is None else os.fstat(self._fd).st_size
        if self._stream is not None:
            self._sidecar.refresh()
        return self._size

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def find_next(self, offset: int, column: int) -> FoundMatch | None:
        """Returns the first match at or after a column of the line at `offset`."""
        for block in self._blocks(offset, self._size):
            for found in self._select(block.iter_matches()):
                if found[:2] >= (offset, column):
                    return found
        return None

    def find_previous(self, offset: int, column: int) -> FoundMatch | None:
        """Returns the last match before a column of the line at `offset`."""
        stop, length = min(offset + 1, self._size), _FIRST_BLOCK
        while stop > 0:
            start = max(0, stop - length)
            last = None
            for block in self._blocks(start, stop):
                for found in self._select(block.iter_matches()):
                    last = found if found[:2] < (offset, column) else last
            if last is not None:
                return last
            stop, length = start, min(2 * length, _BLOCK)
        return None

    def count(self, start: int, stop: int) -> int:
        """Returns the number of matches in the lines whose offset is in this range."""
        if self._stream is None:
            return sum(block.count() for block in self._blocks(start, stop))
        return sum(1 for block in self._blocks(start, stop) for _ in self._select(block.iter_matches()))

    def count_before(self, start: int, offset: int, column: int) -> int:
        """Returns the number of matches from the line at `start` to a column of the line at `offset`."""
        within = 0
        for block in self._blocks(offset, offset + 1):
            within += sum(1 for found in self._select(block.iter_matches()) if found.start < column)
        return self.count(start, offset) + within

    def _select(self, matches: Iterator[FoundMatch]) -> Iterator[FoundMatch]:
        if self._stream is None:
            return matches
        return (found for found in matches if self._sidecar.find_stream(found.offset) == self._stream)

    def _blocks(self, start: int, stop: int) -> Iterator[AsciiBlock | RawBlock]:
        """Yields the lines whose offset is in this range, in order."""
        position, length = self._find_line_start(start), _FIRST_BLOCK
        while position < stop:
            raw = self._read_lines(position, length)
            if not raw:
                return
            end = _find_cut(raw, stop - position)
            yield make_block(self._matcher, position, raw[:end])
            self._progress(position)
            position, length = position + end, min(4 * length, _BLOCK)

    def _find_line_start(self, offset: int) -> int:
        """Returns the start of the first line that begins at or after `offset`."""
        position = max(0, offset - 1)
        while offset > 0 and (data := self._read(position, _FIRST_BLOCK)):
            if (newline := data.find(b"\n")) >= 0:
                return position + newline + 1
            position += len(data)
        return position

    def _read_lines(self, position: int, length: int) -> bytes:
        """Reads whole lines. A line that is longer than 16 MiB is read in pieces."""
        raw = self._read(position, length)
        while len(raw) == length:
            if (end := raw.rfind(b"\n") + 1) or length >= _LINE_LIMIT:
                return raw[: end or length]
            length *= 4
            raw = self._read(position, length)
        return raw

    def _read(self, position: int, length: int) -> bytes:
        return b"" if self._fd is None else os.pread(self._fd, min(length, max(0, self._size - position)), position)


def _find_cut(raw: bytes, limit: int) -> int:
    """Returns the end of the last line that begins before `limit`."""
    if limit >= len(raw):
        return len(raw)
    return raw.find(b"\n", max(0, limit - 1)) + 1 or len(raw)
