"""Searching a log in child processes: steps, counts and marks, patterns that never end, and logs that change."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S, until, until_over

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import ConfigError
from flow_core.logs.filtered.line_filter import ERRORS_ONLY, LineFilter, LogFilters
from flow_core.logs.search.log_search import LogSearch, SearchMatch
from flow_core.logs.search.match_counter import RANGE, SearchProgress
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.search.search_process import SearchTimeout

Open = Callable[..., LogSearch]
ENDLESS = SearchQuery("(a+)+$", literal=False)


@pytest.fixture
async def open_search(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[LogSearch] = []

    def start(data: bytes, query: SearchQuery, filters: LogFilters | None = None) -> LogSearch:
        files = SpoolFiles.at(tmp_path / f"log{len(opened)}")
        files.log.write_bytes(data)
        opened.append(LogSearch(files, query, filters=filters))
        return opened[-1]

    yield start
    for search in opened:
        await search.close()


async def count(search: LogSearch) -> SearchProgress:
    async with aclosing(search.count()) as steps:
        return [progress async for progress in steps][-1]


async def test_steps_go_to_lines_and_columns_as_shown(open_search: Open) -> None:
    search = open_search(b"ok\n\x1b[31mERR\x1b[0mOR a\nno ERROR\n", SearchQuery("ERROR"))
    first = await search.next((0, 0))
    assert first == SearchMatch(3, 0, 5)
    second = await search.next((first.offset, first.start + 1))
    assert second == SearchMatch(20, 3, 8)
    assert await search.previous((second.offset, second.start)) == first
    assert await search.previous((0, 0)) is None


async def test_with_filters_only_lines_that_pass_are_searched(open_search: Open) -> None:
    data = b"ERROR disk 1 disk\ndebug disk\n\x1b[31mERR\x1b[0mOR disk 2\nERROR noise disk\n  0%\r 50% ERROR disk"
    keeps, hides = LineFilter(SearchQuery("ERROR")), LineFilter(SearchQuery("noise"), hides=True)
    search = open_search(data, SearchQuery("disk"), LogFilters((keeps, hides)).set_context(1))
    places, position = [], (0, 0)
    while (match := await search.next(position)) is not None:
        places.append(match)
        position = match.offset, match.start + 1
    lines = [0, data.index(b"\x1b"), data.index(b"  0%")]
    assert [match.offset for match in places] == [lines[0], *lines]
    assert await search.previous((lines[1], 0)) == places[1]
    assert (await count(search)).matches == 4
    assert await search.find_number(places[2]) == 3
    errors = open_search(b"INFO disk\nWARNING disk\nERROR disk\n", SearchQuery("disk"), LogFilters((ERRORS_ONLY,)))
    assert (await count(errors)).matches == 1


async def test_matches_of_several_ranges_are_counted_and_numbered(open_search: Open) -> None:
    line = b"x" * 1023 + b"\n"
    data = (line * 16383 + b"needle".ljust(1023) + b"\n") * 2 + b"needle and needle\n"
    assert len(data) > 2 * RANGE
    search = open_search(data, SearchQuery("needle"))
    last = await search.previous((len(data), 0))
    assert last == SearchMatch(2 * RANGE, 11, 17)
    assert await search.find_number(last) is None
    assert await count(search) == SearchProgress(4, len(data), len(data))
    assert await search.find_number(last) == 4
    first = await search.next((0, 0))
    assert first is not None
    assert await search.find_number(first) == 1


async def test_a_count_goes_on_with_what_was_written_since_and_starts_anew_after_a_cut(
    open_search: Open, tmp_path: Path
) -> None:
    search = open_search(b"one\n" * 1000, SearchQuery("one"))
    assert (await count(search)).matches == 1000
    with open(tmp_path / "log0.log", "ab") as log:
        log.write(b"one more\n")
    assert (await count(search)).matches == 1001
    (tmp_path / "log0.log").write_bytes(b"one\n")
    assert await count(search) == SearchProgress(1, 4, 4)


async def test_marks_are_told_in_characters(open_search: Open) -> None:
    search = open_search(b"", SearchQuery("b+", literal=False))
    assert await search.spans(["abba", "漢b", "", "x"], DEADLINE_S) == [[(1, 3)], [(1, 2)], [], []]


def test_a_bad_pattern_is_refused_with_a_sentence_and_a_literal_never_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        SearchQuery("(unclosed", literal=False).check()
    SearchQuery("(unclosed").check()
    SearchQuery("[[a]", literal=False).check()


@pytest.mark.parametrize("call", ["next", "count"])
async def test_a_pattern_that_never_ends_blocks_nobody_and_ends_at_once_when_cancelled(
    open_search: Open, call: str
) -> None:
    search = open_search(b"a" * 64 + b"!\nok\n", ENDLESS)
    running = asyncio.ensure_future(search.next((0, 0)) if call == "next" else count(search))
    processes = [search._finder, *search._counters]
    child = await until(lambda: next((one._child for one in processes if one._child is not None), None))
    before, deadline = time.process_time(), time.monotonic() + 0.3
    while time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert not running.done()
    assert time.process_time() - before < 0.2  # it is another process that works
    running.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - started < 20.0  # a few ms if nothing else runs
    assert child.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_search_without_progress_is_ended_with_a_sentence_and_can_be_used_again(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\n", ENDLESS)
    with pytest.raises(SearchTimeout, match=r"takes over 0\.2 s"):
        await search.spans(["a" * 64 + "!"], timeout_s=0.2)
    with pytest.raises(SearchTimeout):
        await search._finder.call("next", 0, 0, stuck_s=0.2)
    assert await search.spans(["aaa"], DEADLINE_S) == [[(0, 3)]]


async def test_the_time_that_a_child_takes_to_start_is_not_that_of_the_pattern(open_search: Open) -> None:
    search = open_search(b"", SearchQuery("b+", literal=False))
    running = asyncio.ensure_future(search.spans(["abba"], timeout_s=0.2))
    while search._marker._child is None:
        await asyncio.sleep(0)  # at once: it must not have started yet
    child = search._marker._child
    os.kill(child.pid, signal.SIGSTOP)  # as a busy machine may do
    await until_over(0.2)
    os.kill(child.pid, signal.SIGCONT)
    assert await running == [[(1, 3)]]


async def test_a_search_whose_process_was_killed_says_so_and_can_be_used_again(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\n", ENDLESS)
    running = asyncio.ensure_future(search.next((0, 0)))
    child = await until(lambda: search._finder._child)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(SearchTimeout):
        await running
    assert await search._finder.call("spans", "aaa") == [[[0, 3]]]


async def test_closing_ends_a_search_that_a_caller_waits_for(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\n", ENDLESS)
    for has_started in (True, False):
        running = asyncio.ensure_future(search.next((0, 0)))
        if has_started:
            await until(lambda: search._finder._child is not None)
        else:
            await asyncio.sleep(0)  # the process is about to start
        await search.close()
        with pytest.raises(SearchTimeout):
            await running


async def test_a_log_that_does_not_exist_yet_has_no_matches(tmp_path: Path) -> None:
    search = LogSearch(SpoolFiles.at(tmp_path / "none"), SearchQuery("x"))
    assert await search.next((0, 0)) is None
    assert await count(search) == SearchProgress(0, 0, 0)
    await search.close()
