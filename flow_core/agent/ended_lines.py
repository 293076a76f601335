"""The lines of the index of ended tasks: a header of fixed width, then the report of one task as JSON.

Only the headers are parsed when the index is loaded. A header has its own checksum, so a line that was written partly
is recognized; the report is checked when it is parsed.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any, NamedTuple

from flow_core.agent.record_fields import Fields
from flow_core.agent.regular_files import parse_json
from flow_core.agent.task_report import TaskReport

VERSION = 1
"""Grows when the fields of a report, their meaning or the form of a line change. Never two versions in one file."""

REMOVED = "removed"
"""The status of a line without a report: the index must not describe a task with this id any more."""

_TITLE = b"flow-ended-tasks"
HEAD_BYTES = len(_TITLE) + 23
_HEADER = struct.Struct("8sx8sx8sx16sx9sx15sx8sx")  # checksum, that of the report, size, seq, status, id, key
_STATUSES = {
    status.ljust(9).encode(): status for status in ("completed", "failed", "cancelled", REMOVED)
}  # shared strings: an index has thousands of lines
_NO_KEY = "-" * 8


class EndedEntry(NamedTuple):
    """One line of the index. `offset` and `size` are in bytes; `fingerprint` differs for every other report.

    `key_hash` is the hash of the task's idempotency key; "" without one.
    """

    seq: int
    status: str
    fingerprint: int
    key_hash: str
    offset: int
    size: int


class EndedReport(NamedTuple):
    """The content of a line. `stamps` are the times (ns) and sizes of the task's files when they were read."""

    stamps: tuple[tuple[Any, ...] | None, ...]
    report: TaskReport


def make_head() -> bytes:
    """Returns the first line of a new index, which no other index has."""
    return b"%s %04d %s\n" % (_TITLE, VERSION, os.urandom(8).hex().encode())


def is_head(line: bytes) -> bool:
    """Returns whether this is the first line of an index of this version."""
    return _parse_version(line) == VERSION


def is_newer_head(line: bytes) -> bool:
    """Returns whether a newer version of flow wrote the index that begins with this line."""
    return _parse_version(line) > VERSION


def hash_key(key: object) -> str:
    """Returns the hash of an idempotency key; "" if there is none. Two keys may have the same hash."""
    return f"{zlib.crc32(key.encode('utf-8', 'surrogatepass')):08x}" if isinstance(key, str) and key else ""


def format_line(report: TaskReport, stamps: tuple[tuple[int, int] | None, ...]) -> bytes:
    import json  # lazy import: an index that is up to date is never written

    content = json.dumps({"stamps": stamps, "report": report._asdict()}, separators=(",", ":")).encode()
    key_hash = hash_key(report.config.get("idempotency_key"))
    return _format(report.task_id, report.seq, report.status, key_hash, content)


def format_removal(task_id: str) -> bytes:
    return _format(task_id, 0, REMOVED, "", b"{}")


def parse_entry(data: bytes, start: int, offset: int) -> tuple[str, EndedEntry] | None:
    """Parses the line at `start` of `data`, which is at `offset` of the file; None if it is incomplete.

    Checks only the header. Raises ValueError.
    """
    if len(data) - start < _HEADER.size:
        return None
    checksum, content, size_text, seq, status, task_id, key_hash = _HEADER.unpack_from(data, start)
    if int(checksum, 16) != zlib.crc32(data[start + 9 : start + _HEADER.size]):
        raise ValueError("the checksum of a line is wrong")
    size = int(size_text)
    if start + size > len(data):
        return None
    key = "" if key_hash[:1] == b"-" else key_hash.decode()
    if status not in _STATUSES:
        raise ValueError("the status of a line is unknown")
    return task_id.decode(), EndedEntry(int(seq), _STATUSES[status], int(content, 16), key, offset, size)


def get_entry(line: bytes) -> EndedEntry:
    """Parses the header of a line that isn't in a file yet. Raises ValueError."""
    found = parse_entry(line, 0, 0)
    if found is None:
        raise ValueError("the line is incomplete")
    return found[1]


def parse_line(line: bytes) -> EndedReport:
    """Parses a whole line with its report. Raises ValueError."""
    entry, content = get_entry(line), line[_HEADER.size : -1]
    if entry.size != len(line) or zlib.crc32(content) != entry.fingerprint:
        raise ValueError("the line is damaged")
    fields = Fields(parse_json(content))
    stamps = tuple(None if stamp is None else tuple(stamp) for stamp in fields.entries("stamps"))
    return EndedReport(stamps, TaskReport.parse(fields.table("report")))


def _format(task_id: str, seq: int, status: str, key_hash: str, content: bytes) -> bytes:
    size = _HEADER.size + len(content) + 1
    fields = f"{zlib.crc32(content):08x} {size:08d} {seq:016d} {status:9} {task_id:15} {key_hash or _NO_KEY} "
    header = fields.encode()
    return b"%08x %s%s\n" % (zlib.crc32(header), header, content)


def _parse_version(line: bytes) -> int:
    """Returns 0 for anything but the first line of an index."""
    title, _, rest = line.partition(b" ")
    version = rest[:4]
    return int(version) if title == _TITLE and line.endswith(b"\n") and version.isdigit() else 0
