"""Searching a log in a child process."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from flow_core.errors import ConfigError
from flow_core.logs.search import LogSearch, SearchMatch, SearchQuery, SearchTimeout

Open = Callable[..., LogSearch]


@pytest.fixture
async def open_search(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[LogSearch] = []

    def start(data: bytes, pattern: str, **options: bool) -> LogSearch:
        path = tmp_path / f"log{len(opened)}"
        path.write_bytes(data)
        opened.append(LogSearch(path, SearchQuery(pattern, **options)))
        return opened[-1]

    yield start
    for search in opened:
        await search.close()


async def walk(step: Callable[[int], Awaitable[SearchMatch | None]], position: int, after: int) -> list[int]:
    found = []
    while (match := await step(position)) is not None:
        found.append(match.offset)
        position = match.offset + after
    return found


async def test_forward_and_backward_find_every_match_across_blocks(open_search: Open) -> None:
    chance = random.Random(5)
    lines = [b"needle %d" % n if chance.random() < 0.00015 else b"hay " * chance.randrange(20) for n in range(300_000)]
    data = b"\n".join(lines)
    assert len(data) > 8 * 1024 * 1024
    truth, at = [], data.find(b"needle")
    while at >= 0:
        truth.append(at)
        at = data.find(b"needle", at + 1)
    search = open_search(data, "needle")
    assert await walk(search.next, 0, 1) == truth
    assert await walk(search.previous, len(data), 0) == truth[::-1]
    assert await search.count() == len(truth)


async def test_case_matters_only_with_a_capital_in_the_pattern(open_search: Open) -> None:
    data = b"an Error\nan error\n"
    assert await open_search(data, "error").next(0) == SearchMatch(3, 5)
    assert await open_search(data, "Error").next(4) is None
    assert await open_search(data, r"\Sn").next(0) == SearchMatch(0, 2)
    assert await open_search(b"AB", r"\Wab|ab").next(0) == SearchMatch(0, 2)


async def test_a_literal_is_looked_for_as_it_stands(open_search: Open) -> None:
    assert await open_search(b"a.c abc a+b(", "a+b(", literal=True).next(0) == SearchMatch(8, 4)
    assert await open_search("naïve 漢字".encode(), "漢字", literal=True).next(0) == SearchMatch(7, 6)


async def test_line_anchors_mean_the_lines_of_the_log(open_search: Open) -> None:
    search = open_search(b"one two\ntwo one\ntwo", "^two")
    assert await walk(search.next, 0, 1) == [8, 16]
    assert await open_search(b"one\ntwo", "one.two").next(0) is None


async def test_what_was_written_since_is_found_too(open_search: Open, tmp_path: Path) -> None:
    search = open_search(b"nothing\n", "later")
    assert await search.next(0) is None
    with open(tmp_path / "log0", "ab") as log:
        log.write(b"later\n")
    assert await search.next(0) == SearchMatch(8, 5)


async def test_marks_are_told_in_characters(open_search: Open) -> None:
    search = open_search(b"", "b+")
    assert await search.spans(["abba", "漢b", "", "x"]) == [[(1, 3)], [(1, 2)], [], []]


def test_a_bad_pattern_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        LogSearch(tmp_path / "log", SearchQuery("(unclosed"))


async def test_a_pattern_that_never_ends_blocks_nobody_and_ends_when_cancelled(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\nok\n", "(a+)+$")
    running = asyncio.ensure_future(search.next(0))
    before, deadline = time.process_time(), time.monotonic() + 0.4
    while time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert not running.done()
    assert time.process_time() - before < 0.2  # it is another process that works
    child = search._child
    assert child is not None
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert child.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_search_that_takes_too_long_says_so_and_can_be_used_again(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\n", "(a+)+$")
    with pytest.raises(SearchTimeout):
        await search.next(0, timeout_s=0.2)
    with pytest.raises(SearchTimeout):
        await search.spans(["a" * 64 + "!"], timeout_s=0.2)
    assert await search.spans(["aaa"]) == [[(0, 3)]]


async def test_closing_ends_a_search_that_somebody_waits_for(open_search: Open) -> None:
    search = open_search(b"a" * 64 + b"!\n", "(a+)+$")
    running = asyncio.ensure_future(search.next(0))
    while search._child is None:
        await asyncio.sleep(0.005)
    await search.close()
    with pytest.raises(SearchTimeout):
        await running
