"""Logs read the plain way, to hold the clever ways to."""

from __future__ import annotations

from flow_core.agent.spool import RECORD, SpoolFiles, Stamp
from flow_core.logs.reader import LineReader, LogLine


def all_stamps(files: SpoolFiles) -> list[Stamp]:
    """Every whole record of a sidecar."""
    data = files.sidecar.read_bytes()
    whole = data[: len(data) - len(data) % RECORD.size]
    return [Stamp(offset, packed & 1, packed >> 1) for offset, packed in RECORD.iter_unpack(whole)]


def last_lines(reader: LineReader, count: int) -> list[LogLine]:
    """The last lines of a file, in order, found from its end."""
    lines: list[LogLine] = []
    offset = reader.size
    while len(lines) < count and (line := reader.line_before(offset)) is not None:
        lines.append(line)
        offset = line.offset
    return lines[::-1]
