"""The sidecar, against a plain reading of all its records."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from testbed.log_truth import all_stamps, get_stream

from flow_core.agent.spool import RECORD, STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.sidecar import SidecarIndex, select_streams


def written(stem: Path, pieces: list[tuple[int, bytes]]) -> SpoolFiles:
    files = SpoolFiles.at(stem)
    clock = iter(range(1_800_000_000_000_000, 1_900_000_000_000_000, 5_000))
    writer = SpoolWriter(files, lambda: next(clock))
    for stream, data in pieces:
        writer.append(stream, data)
    writer.close()
    return files


def opened(files: SpoolFiles) -> SidecarIndex:
    stamps = SidecarIndex(files.sidecar)
    stamps.refresh()
    return stamps


def test_streams_and_times_of_random_bytes_are_those_of_their_records(tmp_path: Path) -> None:
    chance = random.Random(11)
    pieces = [(STDERR if chance.random() < 0.1 else STDOUT, b"x" * chance.randrange(1, 9)) for _ in range(20_000)]
    files = written(tmp_path / "log", pieces)
    stamps, all_of_them = opened(files), all_stamps(files)
    size = files.log.stat().st_size
    truth = b"".join(bytes([stream]) * len(data) for stream, data in pieces)
    times = {stamp.offset: stamp.time_us for stamp in all_of_them}
    for offset in chance.sample(range(size), 500):
        assert get_stream(stamps, offset) == truth[offset]
        for stream in (STDOUT, STDERR):
            following = truth.find(bytes([stream]), offset)
            assert stamps.find_next(stream, offset) == (None if following < 0 else following)
            before = truth.rfind(bytes([stream]), 0, offset)
            assert stamps.find_previous(stream, offset) == (None if before < 0 else before + 1)
        start = max(at for at in times if at <= offset)
        moment = stamps.find_time(offset)
        assert moment is not None
        assert round(moment.timestamp() * 1_000_000) == times[start]
    data = files.log.read_bytes()
    errors = b"".join(data for stream, data in pieces if stream == STDERR)
    assert select_streams(data, 0, stamps, (STDERR,)) == errors
    stamps.close()


def test_a_record_cut_short_by_a_crash_is_ignored_and_read_once_it_is_whole(tmp_path: Path) -> None:
    files = written(tmp_path / "log", [(STDOUT, b"out"), (STDERR, b"err")])
    whole = files.sidecar.read_bytes()
    assert len(whole) == 2 * RECORD.size
    files.sidecar.write_bytes(whole[:-5])
    stamps = opened(files)
    assert (stamps.count, get_stream(stamps, 4)) == (1, STDOUT)
    with open(files.sidecar, "ab") as sidecar:
        sidecar.write(whole[-5:])
    assert stamps.refresh() is True
    assert (stamps.count, get_stream(stamps, 4)) == (2, STDERR)
    stamps.close()


def test_a_time_that_no_calendar_has_is_no_time(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    writer = SpoolWriter(files, lambda: 2**63 - 1)
    writer.append(STDERR, b"words")
    writer.close()
    with closing(opened(files)) as stamps:
        assert stamps.find_time(0) is None
        assert get_stream(stamps, 0) == STDERR


def test_without_a_sidecar_all_is_stdout_at_no_known_time(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(b"text")
    stamps = opened(files)
    assert stamps.find_time(0) is None
    assert select_streams(b"text", 0, stamps, (STDOUT,)) == b"text"
    assert select_streams(b"text", 0, stamps, (STDERR,)) == b""
    assert stamps.find_previous(STDOUT, 4) == 4
    assert stamps.find_next(STDERR, 0) is None


def test_the_offset_of_a_time_is_that_of_the_first_byte_read_then_or_later(tmp_path: Path) -> None:
    chance = random.Random(5)
    files = written(tmp_path / "log", [(STDOUT, b"x" * chance.randrange(1, 9)) for _ in range(9_000)])
    stamps, all_of_them = opened(files), all_stamps(files)
    for stamp in chance.sample(all_of_them, 200):
        time = datetime.fromtimestamp(stamp.time_us / 1_000_000, UTC)
        assert stamps.find_offset(time) == stamp.offset
        assert stamps.find_offset(time - timedelta(milliseconds=2)) == stamp.offset
    last = all_of_them[-1]
    assert stamps.last_time == datetime.fromtimestamp(last.time_us / 1_000_000, UTC)
    assert stamps.find_offset(stamps.last_time + timedelta(milliseconds=1)) is None
    assert opened(SpoolFiles.at(tmp_path / "none")).find_offset(stamps.last_time) is None
    assert opened(SpoolFiles.at(tmp_path / "none")).last_time is None
    stamps.close()
