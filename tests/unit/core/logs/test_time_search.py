"""Finding a time by the times at the beginning of lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.time_search import find_line_at_time

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def written(folder: Path, lines: list[str]) -> tuple[SpoolFiles, list[int]]:
    files, offsets, offset = SpoolFiles.at(folder / "log"), [], 0
    for line in lines:
        offsets.append(offset)
        offset += len(line) + 1
    files.log.write_text("".join(f"{line}\n" for line in lines))
    return files, offsets


@limit_examples(15)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3)), min_size=1, max_size=40), st.integers(-1000, 40_000))
def test_the_first_line_at_a_time_or_later_is_found_among_lines_without_a_time(
    tmp_path: Path, steps: list[tuple[int, int]], wanted_s: int
) -> None:
    wanted, time = BEGIN + timedelta(seconds=wanted_s), BEGIN
    lines, times = [], []
    for seconds, others in steps:
        time += timedelta(seconds=seconds)
        lines += [f"{time:%Y-%m-%d %H:%M:%S} step", *["  traceback " + "x" * 3000] * others]
        times += [time, *[None] * others]
    files, offsets = written(tmp_path, lines)
    expected = [offset for offset, at in zip(offsets, times, strict=True) if at is not None and at >= wanted]
    assert find_line_at_time(files, None, wanted) == (expected[0] if expected else None)


def test_a_log_without_times_or_without_a_file_has_no_such_line(tmp_path: Path) -> None:
    files, _ = written(tmp_path, ["no time"] * 10_000)
    assert find_line_at_time(files, None, BEGIN) is None
    assert find_line_at_time(SpoolFiles.at(tmp_path / "none"), None, BEGIN) is None
