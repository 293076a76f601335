"""The child process that compares two logs, as they are shown. Its arguments are FD LINES ROWS LOG SIDECAR LOG SIDECAR.

It writes at most ROWS rows to the file FD, one line of JSON each, and reads about LINES lines of each log. It prints
messages with the signs and the lengths of the new rows, about each 0.1 s.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.analysis.diff_rows import DiffRow, fold_pairs
from flow_core.logs.analysis.line_diff import diff_lines
from flow_core.logs.analysis.masking import LIMIT
from flow_core.logs.analysis.text_line import TextLine
from flow_core.logs.shown.shown_log import ShownLog

_MOST_READ = 256 << 20
_MOST_WRITTEN = 256 << 20
_BLOCK_LINES = 1000
_REPORT_S = 0.1


def main(fd: str, most_lines: str, most_rows: str, *paths: str) -> None:
    writer = _RowWriter(int(fd), int(most_rows))
    files = [SpoolFiles(Path(log), Path(sidecar)) for log, sidecar in zip(paths[::2], paths[1::2], strict=True)]
    is_cut = False
    try:
        for row in fold_pairs(diff_lines(*(_read_lines(one, int(most_lines), writer.report) for one in files))):
            writer.add(row)
    except _LimitReached:
        is_cut = True
    writer.report(is_last=True, is_cut=is_cut)


class _LimitReached(Exception):
    """The comparison ends here. What one log has beyond this place is not compared."""


class _RowWriter:
    """Writes rows to a file, and reports them."""

    def __init__(self, fd: int, most_rows: int) -> None:
        self._fd = fd
        self._most_rows = most_rows
        self._pending: list[bytes] = []
        self._signs: list[str] = []
        self._rows = self._written = 0
        self._next_s = 0.0

    def add(self, row: DiffRow) -> None:
        """Raises _LimitReached after the last row that fits."""
        data = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        self._rows += 1
        self._written += len(data)
        if self._rows > self._most_rows or self._written > _MOST_WRITTEN:
            raise _LimitReached
        self._pending.append(data)
        self._signs.append(row.sign)
        self.report()

    def report(self, *, is_last: bool = False, is_cut: bool = False) -> None:
        if not is_last and time.monotonic() < self._next_s:
            return
        data = b"".join(self._pending)
        while data:
            data = data[os.write(self._fd, data) :]
        message = {"signs": "".join(self._signs), "lengths": [len(one) for one in self._pending], "is_cut": is_cut}
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
        self._pending, self._signs = [], []
        self._next_s = time.monotonic() + _REPORT_S


def _read_lines(files: SpoolFiles, most_lines: int, report: Callable[[], None]) -> Iterator[TextLine]:
    """Yields the lines that are there now. Raises _LimitReached after the last one that may be read."""
    count = 0
    with closing(ShownLog(files)) as log:
        log.refresh()
        start, end = 0, log.size
        while start < end:
            lines = [line for line in log.lines_from(start, _BLOCK_LINES) if start <= line.offset < end]
            if not lines:
                return
            if count >= most_lines or start >= _MOST_READ:
                raise _LimitReached
            yield from (TextLine(line.offset, line.text[:LIMIT]) for line in lines)
            count += len(lines)
            start = max(lines[-1].end, start + 1)
            report()
