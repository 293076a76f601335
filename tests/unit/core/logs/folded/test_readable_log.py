"""Lines of fields in columns, and unfolded over several rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.folded.readable_log import ReadableLog
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.shown_log import ShownLog

JSON = b'{"time": "2026-01-02T03:04:05Z", "level": "error", "msg": "nan loss", "step": 420, "at": {"rank": 2}}\n'
LOGFMT = b'ts=1712345678 level=warn msg="slow disk" wait=3.5s\n'
_PIECES = st.sampled_from([JSON, LOGFMT, b"plain\n", b"a=1 b=2\n", b'{"a": 1}'])


def open_log(path: Path, data: bytes) -> ReadableLog:
    files = SpoolFiles.at(path / "log")
    files.log.write_bytes(data)
    log = ReadableLog(ShownLog(files))
    log.refresh()
    return log


def test_lines_of_fields_are_shown_in_columns(tmp_path: Path) -> None:
    log = open_log(tmp_path, b"plain\n" + JSON + b"\x1b[31mred\x1b[0m\n" + LOGFMT)
    assert [line.text for line in log.lines_from(0, 10)] == [
        "plain",
        '2026-01-02T03:04:05Z ERROR    nan loss step=420 at={"rank": 2}',
        "red",
        "1712345678 WARNING  slow disk wait=3.5s",
    ]
    line = log.line_at(20)
    assert line is not None
    assert (line.offset, line.end) == (6, 6 + len(JSON))
    original = log.original_at(20)
    assert original is not None
    assert original.text == JSON.decode().strip()
    log.close()


def test_a_line_is_unfolded_and_folded_again(tmp_path: Path) -> None:
    log = open_log(tmp_path, b"plain\n" + JSON + b"last\n")
    assert log.toggle(30)
    rows = log.lines_from(0, 20)
    assert [row.text for row in rows][2:] == [
        "  time: 2026-01-02T03:04:05Z",
        "  level: error",
        "  msg: nan loss",
        "  step: 420",
        "  at:",
        "    rank: 2",
        "last",
    ]
    assert [row.offset for row in rows] == [0, *range(6, 13), 6 + len(JSON)]
    assert log.toggle(rows[4].offset)
    assert len(log.lines_from(0, 20)) == 3
    assert not log.toggle(0)
    log.close()


@limit_examples(25)
@given(parts=st.lists(_PIECES, max_size=8), data=st.data())
def test_rows_are_the_same_in_both_directions(parts: list[bytes], data: st.DataObject, tmp_path_factory) -> None:
    content = b"".join(parts)
    offsets = data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=5))
    step = data.draw(st.integers(1, 6))
    log = open_log(tmp_path_factory.mktemp("log"), content)
    for offset in offsets:
        log.toggle(offset)
    rows = log.lines_from(0, 1000)
    assert all(row.end == after.offset for row, after in pairwise(rows))
    assert walk_back(log, step) == rows
    for number, row in enumerate(rows):
        assert log.lines_from(row.offset, step) == rows[number : number + step]
        assert log.line_at(row.end - 1) == row
    log.close()


def walk_back(log: ReadableLog, step: int) -> list[ShownLine]:
    rows: list[ShownLine] = []
    position = log.size
    while found := log.lines_before(position, step):
        rows[:0] = found
        position = found[0].offset
    return rows
