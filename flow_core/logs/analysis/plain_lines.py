"""Reads the lines of a log file without the engine that shows logs, for a child process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from flow_core.logs.analysis.line_time import find_time
from flow_core.logs.analysis.text_line import TextLine

_LONGEST_LINE = 64 * 1024
_ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


def read_lines(file: BinaryIO, reference: datetime, start: int = 0) -> Iterator[TextLine]:
    """Yields the lines from the byte `start` on, which begins a line. `reference` completes the times of the lines.

    Of a progress bar, yields its last state. Cuts a line after 64 KiB.
    """
    file.seek(start)
    offset = start
    while raw := file.readline(_LONGEST_LINE):
        text = _to_shown(raw)
        time = find_time(text, reference)
        yield TextLine(offset, text, time.timestamp() if time else None)
        offset += len(raw)
        while not raw.endswith(b"\n") and len(raw) == _LONGEST_LINE and (raw := file.readline(_LONGEST_LINE)):
            offset += len(raw)


def _to_shown(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    text = text.rpartition("\r")[2]
    return _ESCAPE_CODES.sub("", text) if "\x1b" in text else text
