"""Finds a time in a log by the times at the beginning of its lines, for logs without a sidecar."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.analysis.line_time import find_time
from flow_core.logs.shown.shown_log import ShownLog

_LINES = 200
_CLOSE = 32 * 1024
"""A range of this size is searched line by line."""


def find_line_at_time(files: SpoolFiles, stream: int | None, time: datetime) -> int | None:
    """Returns the offset of the first line whose time is `time` or later; None if there is none.

    Does blocking I/O: a few reads per doubling of the log. Lines without a time are skipped. What the times of lines
    lack, such as the date, is taken as near to `time` as possible. If times decrease, the answer is one of the places
    where the lines pass `time`.
    """
    with closing(ShownLog(files, stream)) as log:
        log.refresh()
        low, high = 0, log.size
        while high - low > _CLOSE:
            middle = (low + high) // 2
            found = _find_time_from(log, middle, high, time)
            if found is None or found >= time:
                high = middle
            else:
                low = middle
        return _find_line(log, low, time)


def _find_time_from(log: ShownLog, offset: int, end: int, reference: datetime) -> datetime | None:
    """Returns the time of the first line with a time that begins in a range."""
    while lines := [line for line in log.lines_from(offset, _LINES) if offset < line.end and line.offset < end]:
        for line in lines:
            if (time := find_time(line.text, reference)) is not None:
                return time
        offset = max(lines[-1].end, offset + 1)
    return None


def _find_line(log: ShownLog, offset: int, time: datetime) -> int | None:
    while lines := [line for line in log.lines_from(offset, _LINES) if line.end > offset]:
        for line in lines:
            found = find_time(line.text, time)
            if found is not None and found >= time:
                return line.offset
        offset = max(lines[-1].end, offset + 1)
    return None
