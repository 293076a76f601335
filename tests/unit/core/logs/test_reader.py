"""Reading lines by position."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.log_truth import last_lines

from flow_core.logs.reader import LineReader

TEXTS = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=30).map(b"\n".join)


@given(text=TEXTS)
def test_lines_forward_and_backward_are_those_that_split_gives(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log"
        path.write_bytes(text)
        check_lines(path, text)


def check_lines(path: Path, text: bytes) -> None:
    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()
    reader = LineReader(path)
    reader.refresh()
    assert [line.data for line in last_lines(reader, 100)] == expected
    forward, offset = [], 0
    while (line := reader.line_at(offset)) is not None:
        assert reader.line_start(offset + line.length // 2) == offset
        forward.append(line.data)
        offset = line.end
    assert forward == expected
    reader.close()


def test_a_line_longer_than_the_limit_shows_its_beginning_or_its_last_redraw(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a" * 500_000 + b"\n" + b"".join(b"\r%6d steps" % n for n in range(100_000)))
    reader = LineReader(path)
    reader.refresh()
    long, bar = last_lines(reader, 2)
    assert (long.is_cut, long.length, long.data) == (True, 500_000, b"a" * 65536)
    assert (bar.is_cut, bar.data, bar.ended) == (True, b" 99999 steps", False)
    assert reader.read(bar.data_offset, 12) == bar.data
    reader.close()


def test_refresh_sees_a_file_appear_grow_shrink_be_replaced_and_vanish(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = LineReader(path)
    assert reader.refresh() is False
    path.write_bytes(b"one\n")
    assert reader.refresh() is True
    assert reader.refresh() is False
    with open(path, "ab") as log:
        log.write(b"two")
    assert reader.refresh() is True
    assert [line.data for line in last_lines(reader, 5)] == [b"one", b"two"]
    os.truncate(path, 2)
    assert reader.refresh() is True
    assert [line.data for line in last_lines(reader, 5)] == [b"on"]
    other = tmp_path / "other"
    other.write_bytes(b"xy")
    other.replace(path)
    assert reader.refresh() is True
    assert [line.data for line in last_lines(reader, 5)] == [b"xy"]
    path.unlink()
    assert reader.refresh() is True
    assert last_lines(reader, 5) == []
    reader.close()


def test_refresh_notices_a_file_that_was_emptied_and_filled_beyond_its_old_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    reader = LineReader(path)
    reader.refresh()
    assert reader.read(0, 100) == b"old\n"
    generation = reader.generation
    path.write_bytes(b"another log\n")
    assert reader.refresh()
    assert reader.generation == generation + 1
    assert reader.read(0, 100) == b"another log\n"
    reader.close()


def test_refresh_notices_other_contents_of_the_same_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    reader = LineReader(path)
    reader.refresh()
    path.write_bytes(b"new\n")
    os.utime(path, ns=(1, 1))  # a clock may be too coarse to tell the two writings apart
    assert reader.refresh()
    assert reader.read(0, 100) == b"new\n"
    reader.close()
