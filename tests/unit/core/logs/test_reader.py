"""Reading a log by position."""

from __future__ import annotations

import os
import random
from pathlib import Path

from flow_core.logs.reader import LogFileReader


def read_all(reader: LogFileReader) -> bytes:
    return reader.read(0, reader.size)


def test_any_range_is_read_also_across_blocks_and_beyond_the_end(tmp_path: Path) -> None:
    path, chance = tmp_path / "log", random.Random(1)
    data = chance.randbytes(400_000)
    path.write_bytes(data)
    reader = LogFileReader(path)
    reader.refresh()
    for _ in range(200):
        start, length = chance.randrange(len(data)), chance.randrange(200_000)
        assert reader.read(start, length) == data[start : start + length]
    reader.close()


def test_refresh_sees_a_file_appear_grow_shrink_be_replaced_and_vanish(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = LogFileReader(path)
    assert reader.refresh() is False
    path.write_bytes(b"one\n")
    assert reader.refresh() is True
    assert reader.refresh() is False
    with open(path, "ab") as log:
        log.write(b"two")
    assert reader.refresh() is True
    assert read_all(reader) == b"one\ntwo"
    os.truncate(path, 2)
    assert reader.refresh() is True
    assert read_all(reader) == b"on"
    other = tmp_path / "other"
    other.write_bytes(b"xy")
    other.replace(path)
    assert reader.refresh() is True
    assert read_all(reader) == b"xy"
    path.unlink()
    assert reader.refresh() is True
    assert read_all(reader) == b""
    reader.close()


def test_a_log_that_a_folder_has_replaced_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    reader = LogFileReader(path)
    reader.refresh()
    path.unlink()
    path.mkdir()
    assert reader.refresh() is True
    assert read_all(reader) == b""
    assert reader.refresh() is False


def test_refresh_notices_a_file_that_was_emptied_and_filled_beyond_its_old_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    reader = LogFileReader(path)
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
    reader = LogFileReader(path)
    reader.refresh()
    path.write_bytes(b"new\n")
    os.utime(path, ns=(1, 1))  # a clock may be too coarse to tell the two writings apart
    assert reader.refresh()
    assert reader.read(0, 100) == b"new\n"
    reader.close()
