"""Several logs in one sequence, against a plain sort of all their lines."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from testbed.merged_sources import START_US, LogOnDisk, merge, read_backwards, read_forwards, sort_lines, texts
from testbed.properties import limit_examples

from flow_core.logs.merged.line_buffer import CONTEXT_LINES
from flow_core.logs.merged.merged_log import MergedLog

TIMES = st.integers(0, 40)
"""Few different times, in milliseconds: many are equal."""


def logs_of(times: list[list[int]]) -> list[list[tuple[int, str]]]:
    return [[(time, f"line {at} of {number}") for at, time in enumerate(log)] for number, log in enumerate(times)]


def written(folder: Path, logs: list[list[tuple[int, str]]]) -> list[LogOnDisk]:
    disks = [LogOnDisk(folder, number) for number in range(len(logs))]
    for disk, log in zip(disks, logs, strict=True):
        disk.write(log)
    return disks


def merge_written(folder: str, logs: list[list[tuple[int, str]]]) -> MergedLog:
    return merge([disk.source() for disk in written(Path(folder), logs)])


SORTED_LOGS = st.lists(st.lists(TIMES, max_size=60).map(sorted), min_size=1, max_size=5).map(logs_of)
WILD_LOGS = st.lists(st.lists(st.integers(0, 10_000), max_size=60), min_size=1, max_size=4).map(logs_of)


@limit_examples(25)
@given(SORTED_LOGS, st.integers(1, 50), st.integers(1, 50))
def test_both_directions_give_all_lines_in_the_order_of_their_times(
    logs: list[list[tuple[int, str]]], forwards: int, backwards: int
) -> None:
    with TemporaryDirectory() as folder:
        disks = written(Path(folder), logs)
        merged = merge([disk.source() for disk in disks])
        assert texts(read_forwards(merged, forwards)) == sort_lines(logs)
        assert texts(read_backwards(merged, backwards)) == sort_lines(logs)
        assert not any(line.is_arrival_time for line in read_forwards(merged, forwards))
        merged.close()


@limit_examples(25)
@given(SORTED_LOGS, st.data())
def test_scrolling_from_any_position_gives_the_lines_around_it(
    logs: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    expected = sort_lines(logs)
    with TemporaryDirectory() as folder, closing(merge_written(folder, logs)) as merged:
        positions = [line.position for line in read_forwards(merged, 7)] + [merged.end]
        assert positions == [line.position for line in read_backwards(merged, 5)] + [merged.end]
        for at in data.draw(st.lists(st.integers(0, len(expected)), max_size=8)):
            count = data.draw(st.integers(1, 20))
            assert texts(merged.lines_from(positions[at], count)) == expected[at : at + count]
            assert texts(merged.lines_before(positions[at], count)) == expected[max(0, at - count) : at]


@limit_examples(25)
@given(WILD_LOGS, st.integers(1, 50))
def test_no_line_is_lost_or_comes_twice_whatever_the_times_are(logs: list[list[tuple[int, str]]], page: int) -> None:
    with TemporaryDirectory() as folder:
        merged = merge([disk.source() for disk in written(Path(folder), logs)])
        for found in (read_forwards(merged, page), read_backwards(merged, page)):
            for number, log in enumerate(logs):
                own = [line.line.text for line in found if line.source == number]
                assert own == [text for _, text in log]
        merged.close()


@limit_examples(25)
@given(st.data(), st.integers(1, 50))
def test_a_clock_that_goes_back_for_a_few_lines_gives_one_order_in_both_directions(
    data: st.DataObject, page: int
) -> None:
    times = data.draw(st.lists(st.lists(TIMES, max_size=40).map(sorted), min_size=2, max_size=4))
    for log in times:
        if len(log) > 2:
            start = data.draw(st.integers(1, len(log) - 1))
            for at in range(start, min(len(log), start + CONTEXT_LINES)):
                log[at] = max(0, log[at] - 30)
    with TemporaryDirectory() as folder:
        merged = merge([disk.source() for disk in written(Path(folder), logs_of(times))])
        assert texts(read_forwards(merged, page)) == texts(read_backwards(merged, page))
        merged.close()


@limit_examples(25)
@given(SORTED_LOGS, st.lists(st.sampled_from([0.0, 3.5, -7.25, 0.002]), min_size=5, max_size=5))
def test_the_offsets_of_clocks_are_taken_from_the_times(
    logs: list[list[tuple[int, str]]], offsets: list[float]
) -> None:
    with TemporaryDirectory() as folder:
        disks = [LogOnDisk(Path(folder), number) for number in range(len(logs))]
        sources = []
        for disk, log, offset_s in zip(disks, logs, offsets, strict=False):
            disk.write([(time + round(offset_s * 1_000), text) for time, text in log])
            sources.append(disk.source(offset_s=offset_s))
        merged = merge(sources)
        assert texts(read_forwards(merged, 9)) == sort_lines(logs)
        assert texts(read_backwards(merged, 9)) == sort_lines(logs)
        merged.close()


@limit_examples(25)
@given(SORTED_LOGS, st.integers(1, 20), st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_logs_that_grow_between_two_reads_show_their_new_lines_in_order(
    logs: list[list[tuple[int, str]]], step: int, leads: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        disks = [LogOnDisk(Path(folder), number) for number in range(len(logs))]
        merged = merge([disk.source() for disk in disks])
        for end in range(0, 45, step):
            for disk, log, ahead in zip(disks, logs, leads, strict=False):
                until = end + ahead
                disk.write([line for line in log[len(disk.lines) :] if line[0] <= until])
            merged.refresh()
            known = [disk.lines for disk in disks]
            assert texts(merged.lines_before(merged.end, 11)) == sort_lines(known)[-11:]
            assert texts(read_forwards(merged, 8)) == sort_lines(known)
        merged.close()


def test_the_newest_lines_of_fast_logs_are_shown_and_the_ones_before_them_are_not_lost(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(3)]
    merged = merge([disk.source() for disk in disks])
    for start in range(0, 3_000, 300):
        for disk in disks:
            disk.write((time, f"line {time}") for time in range(start + disk.number, start + 300, 3))
        merged.refresh()
        assert [line.line.text for line in merged.lines_before(merged.end, 7)] == [
            f"line {time}" for time in range(start + 293, start + 300)
        ]
        disks[2].write([(start + 299, "\x1b[A\rredrawn")] if start == 1_500 else [])
    assert texts(read_backwards(merged, 50)) == texts(read_forwards(merged, 50))
    shown = [text for _, text in texts(read_forwards(merged, 50))]
    assert sorted(shown) == sorted(f"line {time}" if time != 1_799 else "redrawn99" for time in range(3_000))
    merged.close()


def test_a_late_line_does_not_move_lines_that_were_shown(tmp_path: Path) -> None:
    disks = written(tmp_path, [[(0, "a0")], [(10_000, "b0"), (10_001, "b1")]])
    merged = merge([disk.source() for disk in disks])
    disks[0].write([(5_000, "a1"), (10_500, "a2")])
    merged.refresh()
    assert texts(read_backwards(merged, 3)) == [(0, "a0"), (1, "b0"), (1, "b1"), (0, "a1"), (0, "a2")]
    disks[1].write([(10_600, "b2")])
    merged.refresh()
    disks[0].write([(10_550, "a3")])  # late by less than LATE_US
    merged.refresh()
    assert [text for _, text in texts(read_forwards(merged, 3))] == ["a0", "b0", "b1", "a1", "a2", "a3", "b2"]
    merged.order_by_time()
    assert [text for _, text in texts(read_forwards(merged, 3))] == ["a0", "a1", "b0", "b1", "a2", "a3", "b2"]
    merged.close()


def test_a_log_that_is_still_fetched_is_ordered_by_its_times(tmp_path: Path) -> None:
    logs = [[(time, f"line {time} of {number} {'x' * 99}") for time in range(0, 9_000, 3)] for number in range(2)]
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write(logs[0])
    merged = merge([disk.source() for disk in disks])
    for start in range(0, 3_000, 1_000):
        disks[1].write(logs[1][start : start + 1_000])
        merged.refresh()
    assert texts(read_forwards(merged, 99)) == sort_lines(logs)
    disks[0].write([(60_000, "a")])
    merged.refresh()
    disks[1].write([(9_100, "late, now that all is there")])
    merged.refresh()
    assert texts(merged.lines_before(merged.end, 2)) == [(0, "a"), (1, "late, now that all is there")]
    merged.close()


def test_a_position_stays_valid_while_the_logs_grow(tmp_path: Path) -> None:
    disks = written(tmp_path, [[(1, "a0"), (5, "a1")], [(2, "b0"), (6, "b1")]])
    merged = merge([disk.source() for disk in disks])
    top = merged.lines_before(merged.end, 3)[0].position
    disks[0].write([(7, "a2")])
    disks[1].write([(8, "b2")])
    merged.refresh()
    assert [text for _, text in texts(merged.lines_from(top, 10))] == ["b0", "a1", "b1", "a2", "b2"]
    assert [text for _, text in texts(merged.lines_before(top, 10))] == ["a0"]
    merged.close()


def test_logs_can_be_switched_off_and_on_again(tmp_path: Path) -> None:
    disks = written(tmp_path, [[(1, "a0"), (5, "a1")], [(2, "b0"), (6, "b1")], [(3, "c0"), (4, "c1"), (9, "c2")]])
    merged = merge([disk.source() for disk in disks])
    merged.show(2, is_shown=False)
    lines = read_forwards(merged, 2)
    assert [text for _, text in texts(lines)] == ["a0", "b0", "a1", "b1"]
    disks[2].write([(10, "c3")])
    merged.refresh()
    merged.show(2, is_shown=True)
    assert [text for _, text in texts(merged.lines_from(lines[2].position, 9))] == ["a1", "b1", "c2", "c3"]
    assert [text for _, text in texts(merged.lines_before(lines[2].position, 9))] == ["a0", "b0", "c0", "c1"]
    merged.close()


@limit_examples(25)
@given(SORTED_LOGS, st.integers(-1, 42))
def test_a_time_is_found(logs: list[list[tuple[int, str]]], time_ms: int) -> None:
    with TemporaryDirectory() as folder:
        merged = merge([disk.source() for disk in written(Path(folder), logs)])
        position = merged.find_position(START_US + time_ms * 1_000)
        earlier = [[line for line in log if line[0] < time_ms] for log in logs]
        assert texts(read_backwards(merged, 9, position)) == sort_lines(earlier)
        assert len(read_forwards(merged, 9, position)) == sum(map(len, logs)) - sum(map(len, earlier))
        merged.close()


@limit_examples(15)
@given(SORTED_LOGS)
def test_the_position_of_a_line_of_a_log_is_that_of_the_sequence(logs: list[list[tuple[int, str]]]) -> None:
    with TemporaryDirectory() as folder:
        merged = merge([disk.source() for disk in written(Path(folder), logs)])
        for line in read_forwards(merged, 9):
            assert merged.find_position_of(line.source, line.line.offset) == line.position
        assert merged.find_position_of(0, merged.sources[0].size) is None
        merged.close()
