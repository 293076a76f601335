"""A log with filters, whose patterns run in a child process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.waiting import until

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.errors import ConfigError, FlowError
from flow_core.logs.filtered.filtered_log import FilteredLog, FilterProgress
from flow_core.logs.filtered.line_filter import ERRORS_ONLY, WARNINGS_AND_ERRORS, LineFilter, LogFilters
from flow_core.logs.folded.folded_log import FoldedLog
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchTimeout

ENDLESS = SearchQuery("(a+)+$", literal=False)
Open = Callable[..., FilteredLog]


@pytest.fixture
async def open_log(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[FilteredLog] = []

    def start(data: bytes, *filters: LineFilter, context: int = 0, stream: int | None = None) -> FilteredLog:
        files = SpoolFiles.at(tmp_path / f"log{len(opened)}")
        files.log.write_bytes(data)
        opened.append(FilteredLog(files, LogFilters(filters, context), stream))
        opened[-1].refresh()
        return opened[-1]

    yield start
    for log in opened:
        await log.wait_closed()


def keep(pattern: str, *, literal: bool = True) -> LineFilter:
    return LineFilter(SearchQuery(pattern, literal))


def hide(pattern: str) -> LineFilter:
    return LineFilter(SearchQuery(pattern), hides=True)


async def finish(log: FilteredLog) -> FilterProgress:
    log.refresh()
    async with aclosing(log.scan()) as steps:
        async for _ in steps:
            pass
    assert log.progress.is_complete
    return log.progress


def texts(log: FilteredLog) -> list[str]:
    found = [line.text for line in log.lines_from(0, 1000)]
    assert found == [line.text for line in log.lines_before(log.size, 1000)]
    return found


async def test_only_lines_that_pass_are_there_and_the_others_are_counted(open_log: Open) -> None:
    data = b"\x1b[31mERR\x1b[0mOR one\nquiet\nERROR two\r\nERROR noise\n" + b"step 1\r" + b"step 2 ERROR\n"
    log = open_log(data, keep("ERROR"), hide("noise"))
    assert await finish(log) == FilterProgress(3, len(data), len(data))
    assert texts(log) == ["ERROR one", "ERROR two", "step 2 ERROR"]
    line = log.line_at(data.index(b"quiet"))
    assert line is not None
    assert line.text == "ERROR two"
    assert log.line_at(data.index(b"two")) == line
    assert [before.text for before in log.lines_before(line.offset, 5)] == ["ERROR one"]


async def test_lines_around_are_context_and_not_counted(open_log: Open) -> None:
    log = open_log(b"1\n2\nhit\n3\n4\n5\n6\nhit\n", keep("hit"), context=1)
    assert (await finish(log)).kept == 2
    assert texts(log) == ["2", "hit", "3", "6", "hit"]
    assert exported(log) == ["2", "hit", "3", "6", "hit"]


def exported(log: FilteredLog, start: int = 0, end: int | None = None) -> list[str]:
    blocks = log.read_blocks(start, log.size if end is None else end)
    return b"".join(block.data for block in blocks).decode().splitlines()


async def test_the_lines_that_pass_are_read_as_text_also_after_the_view_is_closed(open_log: Open) -> None:
    rare = b"".join(b"no %d\n" % n * 997 + b"hit %d\n" % n for n in range(30))
    data = rare + b"".join(b"hit %d\nno\n" % n for n in range(3000))
    log = open_log(data, keep("hit"))
    with pytest.raises(FlowError, match="still being filtered"):
        log.read_blocks(0, log.size)
    await finish(log)
    expected = [f"hit {n}" for n in (*range(30), *range(3000))]
    assert exported(log) == expected
    second = data.index(b"hit 1")
    assert exported(log, second, len(rare)) == expected[1:30]
    blocks = log.read_blocks(0, log.size)
    log.close()
    assert b"".join(block.data for block in blocks).decode().splitlines() == expected


async def test_what_is_new_is_filtered_too_and_a_line_may_stop_to_pass(open_log: Open) -> None:
    log = open_log(b"hit 1\nno\nhit 2", keep("hit"))
    await finish(log)
    with log.path.open("ab") as file:
        file.write(b"\rmiss \nhit 3\n")
    assert (await finish(log)).kept == 2
    assert texts(log) == ["hit 1", "hit 3"]


async def test_a_log_that_was_cut_short_or_replaced_is_filtered_again(open_log: Open) -> None:
    log = open_log(b"hit 1\n" * 1000, keep("hit"))
    await finish(log)
    log.path.write_bytes(b"no\nhit 2\n")
    assert (await finish(log)).kept == 1
    assert texts(log) == ["hit 2"]
    other = log.path.with_suffix(".new")
    other.write_bytes(b"hit 3\n" * 3)
    os.replace(other, log.path)
    assert (await finish(log)).kept == 3
    assert texts(log) == ["hit 3"] * 3
    log.path.unlink()
    await finish(log)
    assert texts(log) == []


async def test_a_log_that_appears_later_is_filtered(open_log: Open, tmp_path: Path) -> None:
    log = open_log(b"", keep("hit"))
    log.path.unlink()
    assert (await finish(log)).total == 0
    log.path.write_bytes(b"hit\nno\n")
    assert (await finish(log)).kept == 1


async def test_the_end_is_there_before_the_whole_log_is_read(open_log: Open) -> None:
    log = open_log(b"hit and some more text\n" * 2_000_000 + b"last hit\n", keep("hit"))
    async with aclosing(log.scan()) as steps:
        async for _ in steps:
            found = log.lines_before(log.size, 36)
            break
    assert not log.progress.is_complete
    assert [line.text for line in found][-2:] == ["hit and some more text", "last hit"]
    assert len(found) == 36


async def test_lines_of_one_stream_alone_are_filtered(open_log: Open, tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "spool")
    writer = SpoolWriter(files, lambda: 1)
    for number in range(3000):
        writer.append(STDERR if number % 3 else STDOUT, b"line %d\n" % number)
    writer.close()
    log = FilteredLog(files, LogFilters((keep("7"),)), STDOUT)
    await finish(log)
    assert texts(log) == [f"line {number}" for number in range(0, 3000, 3) if "7" in str(number)]
    await log.wait_closed()


async def test_levels_are_filters(open_log: Open) -> None:
    data = b"INFO ok\nWARNING slow\r\nTraceback (most recent call last):\r\n  File x\r\nValueError\r\n"
    data += b"0 errors\nERROR: no\n"
    log = open_log(data * 300, ERRORS_ONLY)
    await finish(log)
    errors = ["Traceback (most recent call last):", "ValueError", "ERROR: no"]
    assert texts(log)[:6] == errors * 2
    warnings = open_log(data, WARNINGS_AND_ERRORS)
    await finish(warnings)
    assert texts(warnings) == ["WARNING slow", *errors]


async def test_an_endless_pattern_is_ended_and_reported(open_log: Open) -> None:
    log = open_log(b"a" * 64 + b"!\n", LineFilter(ENDLESS))
    log.stuck_s = 0.3
    with pytest.raises(SearchTimeout, match=r"takes over 0.3 s"):
        await finish(log)


async def test_closing_kills_the_child_at_once(open_log: Open) -> None:
    log = open_log(b"a" * 64 + b"!\n", LineFilter(ENDLESS))
    scan = asyncio.create_task(finish(log))
    child = (await until(lambda: log._process._child)).pid
    log.close()
    with pytest.raises(SearchTimeout):
        await scan
    await log.wait_closed()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert log.lines_before(100, 10) == []


async def test_an_invalid_pattern_is_refused(open_log: Open) -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        open_log(b"", keep("(", literal=False))


async def test_a_log_is_followed_as_it_grows(open_log: Open) -> None:
    log = open_log(b"hit 1\nno\n", keep("hit"))
    kept: list[int] = []

    async def follow() -> None:
        async with aclosing(log.follow()) as steps:
            async for progress in steps:
                kept.append(progress.kept)

    task = asyncio.create_task(follow())
    await until(lambda: kept[-1:] == [1])
    assert log.refresh()
    assert not log.refresh()
    for number in range(2, 5):
        with log.path.open("ab") as file:
            file.write(b"hit %d\nno\n" % number)
        await until(lambda wanted=number: kept[-1] == wanted)
    log.path.write_bytes(b"hit\n")
    await until(lambda: kept[-1] == 1)
    log.refresh()
    assert texts(log) == ["hit"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_tracebacks_are_folded_in_a_log_with_filters(open_log: Open) -> None:
    traceback = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: x\n'
    log = open_log(b"step\n" + traceback + b"noise\n" + traceback, hide("noise"))
    folded = FoldedLog(log, grows_anywhere=True)
    assert folded.lines_from(0, 10) == []
    await finish(log)
    folded.refresh()
    found = folded.lines_from(0, 10)
    assert [line.text for line in found] == ["step", *("Traceback (most recent call last):", "ValueError: x") * 2]
    fold = folded.find_fold(found[1].offset)
    assert fold is not None
    assert fold.note == "2 lines folded"


async def test_each_redraw_is_filtered_alone_if_all_are_shown(open_log: Open, tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "bar")
    files.log.write_bytes(b"start\n" + b"".join(b"\rstep %d" % number for number in range(30)) + b"\nend\n")
    log = FilteredLog(files, LogFilters((keep("step 2"),)), expands_redraws=True)
    await finish(log)
    assert texts(log) == [f"step {number}" for number in (2, *range(20, 30))]
    await log.wait_closed()
