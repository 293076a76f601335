"""A merged log with one offset for each line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from testbed.merged_sources import START_US, Log, LogOnDisk, merge, sort_lines
from testbed.properties import limit_examples

from flow_core.logs.merged.merged_lines import MergedLines

LOGS = st.lists(st.lists(st.integers(0, 40), max_size=60).map(sorted), min_size=1, max_size=5).map(
    lambda times: [
        [(time, f"line {at} of {number}") for at, time in enumerate(log)] for number, log in enumerate(times)
    ]
)


def opened(folder: str | Path, logs: list[Log]) -> MergedLines:
    disks = [LogOnDisk(Path(folder), number) for number in range(len(logs))]
    for disk, log in zip(disks, logs, strict=True):
        disk.write(log)
    return MergedLines(merge([disk.source() for disk in disks]))


@limit_examples(25)
@given(LOGS, st.data())
def test_lines_follow_each_other_in_a_range_of_offsets(logs: list[Log], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, closing(opened(folder, logs)) as lines:
        every = lines.lines_from(0, 1_000)
        assert [line.text for line in every] == [text for _, text in sort_lines(logs)]
        assert [line.end for line in every] == [line.offset for line in every[1:]] + [lines.size] * bool(every)
        assert lines.lines_before(lines.size, 1_000) == every
        assert lines.lines_from(lines.size, 1) == []
        for line in every:
            assert lines.line_at(data.draw(st.integers(line.offset, line.end - 1))) == line
            details = lines.get_details(line.offset)
            assert details is not None
            assert line.text == details.line.text
        lines.forget_lines()
        for number, line in enumerate(every):
            assert lines.lines_before(line.offset, 3)[-1:] == every[max(0, number - 1) : number]
            lines.forget_lines()


def test_an_offset_of_a_scroll_bar_gives_a_line_near_it(tmp_path: Path) -> None:
    logs = [[(time, f"line {time} of {number} {'x' * 80}") for time in range(0, 30_000, 3)] for number in range(3)]
    lines = opened(tmp_path, logs)
    for part in (0.1, 0.5, 0.9):
        line = lines.line_at(round(lines.size * part))
        assert line is not None
        assert abs(line.offset - lines.size * part) < 100_000
        assert lines.lines_before(line.offset, 1)[0].end == line.offset
    middle = lines.find_offset(START_US + 15_000_000)
    assert middle is not None
    assert lines.lines_from(middle, 1)[0].text.startswith("line 15000 of 0")
    assert lines.find_offset(START_US + 99_000_000) is None
    found = lines.find_offset_of(1, 300)
    assert found is not None
    details = lines.get_details(found)
    assert details is not None
    assert (details.source, details.line.offset <= 300 < details.line.end) == (1, True)
    lines.close()


def test_the_place_stays_when_a_log_is_switched_off(tmp_path: Path) -> None:
    lines = opened(tmp_path, [[(1, "a0"), (5, "a1")], [(2, "b0"), (6, "b1")]])
    top = lines.lines_from(0, 3)[2].offset
    top = lines.show(1, is_shown=False, top=top)
    assert [line.text for line in lines.lines_from(top, 9)] == ["a1"]
    assert [line.text for line in lines.lines_before(top, 9)] == ["a0"]
    top = lines.show(1, is_shown=True, top=top)
    assert [line.text for line in lines.lines_from(top, 9)] == ["a1", "b1"]
    lines.close()


@limit_examples(15)
@given(LOGS, st.data())
def test_a_range_is_read_as_text_with_the_label_before_each_line(logs: list[Log], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, closing(opened(folder, logs)) as lines:
        every, expected = lines.lines_from(0, 1_000), sort_lines(logs)
        first = data.draw(st.integers(0, len(every)))
        last = data.draw(st.integers(first, len(every)))
        start, end = ((every[at].offset if at < len(every) else lines.size) for at in (first, last))
        blocks = list(lines.read_blocks(start, end))
        text = b"".join(block.data for block in blocks).decode()
        assert text.splitlines() == [f"rank {number} {line}" for number, line in expected[first:last]]
        assert lines.lines_from(0, 1_000) == every


def test_text_is_read_in_the_order_in_which_the_lines_are_shown_after_the_logs_have_grown(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(10, "a0"), (30, "a1")])
    disks[1].write([(20, "b0"), (40, "b1")])
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        disks[0].write([(9_000, "a2")])
        disks[1].write([(9_001, "b2")])
        lines.refresh()
        shown = [line.text for line in lines.lines_from(0, 9)]
        text = b"".join(block.data for block in lines.read_blocks(0, lines.size)).decode()
        assert [line[-2:] for line in text.splitlines()] == shown == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_lines_can_be_read_between_the_steps_in_which_many_logs_are_checked(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(25)]
    for disk in disks:
        disk.write([(disk.number, f"first of {disk.number}")])
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        before = [line.text for line in lines.lines_from(0, 100)]
        for disk in disks:
            disk.write([(100 + disk.number, f"second of {disk.number}")])
        pauses = 0
        for _ in lines.refresh_in_steps(reads_end=True):
            pauses += 1
            seen = [line.text for line in lines.lines_from(0, 100)]
            assert seen == before + [f"second of {number}" for number in range(10 * pauses)]
        assert pauses == 2
        assert [line.text for line in lines.lines_from(0, 100)][-1] == "second of 24"
        assert lines.lines_before(lines.size, 50) == lines.lines_from(0, 50)
