"""Which time a line of a merged log has, and logs that are cut, replaced or without a sidecar."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from testbed.merged_sources import (
    NOW_US,
    START_US,
    LogOnDisk,
    merge,
    read_backwards,
    read_forwards,
    sort_lines,
    stamp,
    texts,
)
from testbed.properties import limit_examples

from flow_core.agent.spool import RECORD
from flow_core.logs.merged.line_buffer import SEARCHED_LINES


def plain(line: str) -> str:
    """The text of a line after its time."""
    return line.partition("Z ")[2] if "Z " in line else line.partition("+00:00 ")[2] or line


TIMES = st.lists(st.lists(st.integers(0, 40), max_size=60).map(sorted), min_size=1, max_size=4)


@limit_examples(25)
@given(TIMES, st.integers(1, 30))
def test_without_a_sidecar_lines_are_ordered_by_the_times_that_they_begin_with(
    times: list[list[int]], page: int
) -> None:
    logs = [[(time, f"line {at} of {number}") for at, time in enumerate(log)] for number, log in enumerate(times)]
    with TemporaryDirectory() as folder:
        disks = [LogOnDisk(Path(folder), number) for number in range(len(logs))]
        for disk, log in zip(disks, logs, strict=True):
            disk.write_timed_text(log)
        merged = merge([disk.source(has_writer_times=False) for disk in disks])
        for found in (read_forwards(merged, page), read_backwards(merged, page)):
            assert [(number, plain(text)) for number, text in texts(found)] == sort_lines(logs)
            assert not any(line.is_arrival_time for line in found)
        merged.close()


def test_lines_without_a_time_stay_with_the_line_before_them(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    trace = [f"  File {number}" for number in range(SEARCHED_LINES // 2)]
    disks[0].files.log.write_text(
        "\n".join(["banner", f"{stamp(0)} a0", f"{stamp(20)} Traceback", *trace, f"{stamp(40)} a1", ""])
    )
    disks[1].write_timed_text([(10, "b0"), (30, "b1")])
    merged = merge([disk.source(has_writer_times=False) for disk in disks])
    expected = ["banner", "a0", "b0", "Traceback", *trace, "b1", "a1"]
    for page in (1, 7, 500):
        assert [plain(line.line.text) for line in read_forwards(merged, page)] == expected
        assert [plain(line.line.text) for line in read_backwards(merged, page)] == expected
    merged.close()


def test_lines_without_any_time_have_their_arrival(tmp_path: Path) -> None:
    disk = LogOnDisk(tmp_path, 0)
    disk.files.log.write_text("one\ntwo\n")
    os.utime(disk.files.log, ns=(START_US * 1_000, START_US * 1_000))
    merged = merge([disk.source()])
    with open(disk.files.log, "a", encoding="utf-8") as log:
        log.write("three\n")
    merged.refresh()
    lines = read_backwards(merged, 2)
    assert [line.time_us for line in lines] == [START_US, START_US, NOW_US]
    assert all(line.is_arrival_time for line in lines)
    merged.close()


def test_the_sidecar_of_a_pulled_log_has_arrivals_which_the_clock_of_its_machine_does_not_move(tmp_path: Path) -> None:
    disk = LogOnDisk(tmp_path, 0)
    disk.write([(5_000, "no time"), (6_000, "no time either")])
    merged = merge([disk.source(has_writer_times=False, offset_s=100.0)])
    lines = read_forwards(merged, 9)
    assert [(line.time_us, line.is_arrival_time) for line in lines] == [
        (START_US + 5_000_000, True),
        (START_US + 6_000_000, True),
    ]
    disk.write([(7_000, f"{stamp(106_500)} by its own clock"), (8_000, f"{stamp(999_000_000)} in years")])
    merged.refresh()
    assert [(line.time_us - START_US, line.is_arrival_time) for line in read_forwards(merged, 9)[2:3]] == [
        (6_500_000, False)
    ]
    merged.close()


def test_a_sidecar_cut_in_the_middle_keeps_every_line(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(time, f"a{time}") for time in range(0, 40, 2)])
    disks[1].write([(time, f"b{time}") for time in range(1, 40, 2)])
    merged = merge([disk.source() for disk in disks])
    expected = read_forwards(merged, 9)
    os.truncate(disks[0].files.sidecar, 7 * RECORD.size + 5)
    for refreshed in range(2):
        found = read_forwards(merged, 9)
        assert sorted(texts(found)) == sorted(texts(expected))
        assert texts(found) == texts(read_backwards(merged, 4))
        assert texts(found)[:13] == texts(expected)[:13]
        assert merged.refresh() is not bool(refreshed)
    merged.close()


def test_a_log_that_was_cut_short_begins_again_and_loses_nothing(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(1, "a0"), (3, "a1"), (5, "a2")])
    disks[1].write([(2, "b0"), (6, "b1")])
    merged = merge([disk.source() for disk in disks])
    top, end = merged.lines_before(merged.end, 3)[0].position, merged.end
    for path in disks[0].files:
        os.truncate(path, 0)
    merged.refresh()
    assert texts(read_forwards(merged, 2)) == [(1, "b0"), (1, "b1")]
    disks[0].write([(7, "a3"), (9, "a4")])
    merged.refresh()
    assert texts(read_forwards(merged, 2)) == [(1, "b0"), (1, "b1"), (0, "a3"), (0, "a4")]
    assert texts(merged.lines_from(top, 9)) == [(1, "b1"), (0, "a3"), (0, "a4")]
    assert texts(merged.lines_from(end, 9)) == [(0, "a3"), (0, "a4")]
    assert texts(merged.lines_before(end, 9)) == [(1, "b0"), (1, "b1")]
    merged.close()


def test_a_log_that_disappears_leaves_the_others_and_comes_back(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(1, "a0")])
    disks[1].write([(2, "b0")])
    merged = merge([disk.source() for disk in disks])
    for path in disks[0].files:
        path.unlink()
    assert merged.refresh() is True
    assert texts(read_forwards(merged, 9)) == [(1, "b0")]
    assert merged.refresh() is False
    disks[0].write([(3, "a1 is longer than a0 was")])
    merged.refresh()
    assert texts(read_backwards(merged, 9)) == [(1, "b0"), (0, "a1 is longer than a0 was")]
    merged.close()


def test_a_clock_that_is_set_back_for_long_loses_nothing_and_new_lines_stay_at_the_end(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(time, f"a{time}") for time in range(10_000, 20_000, 100)])
    disks[1].write([(time, f"b{time}") for time in range(10_050, 20_000, 100)])
    merged = merge([disk.source() for disk in disks])
    before = read_forwards(merged, 9)
    disks[0].write([(time, f"late a{time}") for time in range(5_000, 15_000, 100)])
    merged.refresh()
    for found in (read_forwards(merged, 9), read_backwards(merged, 9)):
        assert texts(found[: len(before)]) == texts(before)
        assert len(found) == len(before) + 100
    merged.close()


def test_a_line_grows_until_its_newline_comes(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[1].write([(2, "b0")])
    disks[0].files.log.write_text(f"{stamp(1)} a")
    merged = merge([disk.source() for disk in disks])
    end = merged.end
    assert [plain(line.line.text) for line in read_forwards(merged, 9)] == ["a", "b0"]
    with open(disks[0].files.log, "a", encoding="utf-8") as log:
        log.write(f"bc\n{stamp(3)} d\n")
    merged.refresh()
    assert [plain(line.line.text) for line in read_backwards(merged, 9)] == ["abc", "b0", "d"]
    assert [plain(line.line.text) for line in merged.lines_before(end, 9)] == ["b0"]
    assert [plain(line.line.text) for line in merged.lines_from(end, 9)] == ["abc", "d"]
    merged.close()
