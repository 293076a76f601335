"""The lines of the index of ended tasks, and the reports that they describe.

All lines have the same width, and an index is loaded without parsing them: ten thousand take few milliseconds. They are
kept as text, and sort by the sequence numbers of their tasks. The reports are JSON, one per line, in a second file.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any, NamedTuple

from flow_core.agent.record_fields import Fields
from flow_core.agent.regular_files import parse_json
from flow_core.agent.task_report import TaskReport

VERSION = 1
"""Grows when the fields of a report, their meaning or the form of a line change. One file has lines of one version."""

REMOVED = "removed"
"""The status of a line without a report, which says that the index must describe no task with this id any more."""

_TITLE = b"flow-ended-tasks"
HEAD_BYTES = len(_TITLE) + 23
"""The size of the first line of both files."""

_FORM = "{seq:016d} {task_id:15} {status:9} {key_hash} {offset:014d} {size:08d} {checksum}\n"
_SEQ, _TASK_ID, _STATUS, _KEY_HASH = slice(0, 16), slice(17, 32), slice(33, 42), slice(43, 51)
_OFFSET, _SIZE, _CHECKSUM = slice(52, 66), slice(67, 75), slice(76, 84)
LINE_BYTES = 85
_NO_KEY = "-" * 8


class EndedReport(NamedTuple):
    """A report, and the times (ns) and sizes of the task's files when they were read."""

    stamps: tuple[tuple[Any, ...] | None, ...]
    report: TaskReport


def make_head() -> bytes:
    """Returns the first line of a new index; no other index has the same."""
    return b"%s %04d %s\n" % (_TITLE, VERSION, os.urandom(8).hex().encode())


def is_head(line: bytes) -> bool:
    """Returns whether this is the first line of an index of this version."""
    return _parse_version(line) == VERSION


def is_newer_head(line: bytes) -> bool:
    """Returns whether a newer version of flow wrote the index that begins with this line."""
    return _parse_version(line) > VERSION


def split_lines(data: bytes) -> tuple[dict[str, str], set[str]]:
    """Returns the last line of each task, and the ids that must not be indexed. Ignores an incomplete line at the end.

    A line that is damaged elsewhere than at its end has the id of no task, or another checksum than its report.
    """
    text = data.decode("latin-1")
    lines = [text[start : start + LINE_BYTES] for start in range(0, len(text) - LINE_BYTES + 1, LINE_BYTES)]
    if text[LINE_BYTES - 1 :: LINE_BYTES].strip("\n"):
        lines = [line for line in lines if line[-1] == "\n"]
    removed = {line[_TASK_ID] for line in lines if get_status(line) == REMOVED} if REMOVED in text else set()
    last = {line[_TASK_ID]: line for line in lines}
    for task_id in removed:
        del last[task_id]
    return last, removed


def get_task_id(line: str) -> str:
    return line[_TASK_ID]


def get_status(line: str) -> str:
    return line[_STATUS].rstrip()


def get_fingerprint(line: str) -> str:
    """Returns the checksum of a line and its report; other reports have other ones."""
    return line[_CHECKSUM]


def get_key_hash(line: str) -> str:
    return line[_KEY_HASH]


def get_place(line: str) -> tuple[int, int]:
    """Returns the offset of the report in its file, and its size in bytes; zeros if the line is damaged."""
    try:
        return int(line[_OFFSET]), int(line[_SIZE])
    except ValueError:
        return 0, 0


def hash_key(key: object) -> str:
    """Returns the hash of an idempotency key, also of a missing one. Two keys may have the same hash."""
    return f"{zlib.crc32(key.encode('utf-8', 'surrogatepass')):08x}" if isinstance(key, str) else _NO_KEY


def format_report(report: TaskReport, stamps: tuple[tuple[int, int] | None, ...]) -> bytes:
    return json.dumps({"stamps": stamps, "report": report._asdict()}, separators=(",", ":")).encode() + b"\n"


def format_line(report: TaskReport, content: bytes) -> str:
    """Returns the line of a task whose report isn't in a file yet."""
    key_hash = hash_key(report.config.get("idempotency_key"))
    return _format(report.task_id, report.seq, report.status, key_hash, content)


def format_removal(task_id: str) -> str:
    return _format(task_id, 0, REMOVED, _NO_KEY, b"")


def move_line(line: str, offset: int) -> str:
    """Returns the line for a report that is at `offset` of its file."""
    return f"{line[: _OFFSET.start]}{offset:014d}{line[_OFFSET.stop :]}"


def parse_report(line: str, content: bytes) -> EndedReport:
    """Parses a report. Raises ValueError, also if it isn't the one that the line describes."""
    if _sum(line[: _OFFSET.start], content) != line[_CHECKSUM]:
        raise ValueError("the report is damaged")
    fields = Fields(parse_json(content))
    stamps = tuple(None if stamp is None else tuple(stamp) for stamp in fields.entries("stamps"))
    return EndedReport(stamps, TaskReport.parse(fields.table("report")))


def _format(task_id: str, seq: int, status: str, key_hash: str, content: bytes) -> str:
    line = _FORM.format(
        seq=seq, task_id=task_id, status=status, key_hash=key_hash, offset=0, size=len(content), checksum=""
    )
    return f"{line[:-1]}{_sum(line[: _OFFSET.start], content)}\n"


def _sum(start: str, content: bytes) -> str:
    return f"{zlib.crc32(content, zlib.crc32(start.encode())):08x}"


def _parse_version(line: bytes) -> int:
    """Returns 0 for anything but the first line of an index."""
    title, _, rest = line.partition(b" ")
    version = rest[:4]
    return int(version) if title == _TITLE and line.endswith(b"\n") and version.isdigit() else 0
