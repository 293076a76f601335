"""Searching merged logs in child processes: every match in the order of the lines, in both directions."""

from __future__ import annotations

import os
import random
import re
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from testbed.merged_sources import LogOnDisk, merge, sort_lines
from testbed.sshd import list_children

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.merged_search import PROCESSES, MergedSearch
from flow_core.logs.search.log_search import SearchMatch
from flow_core.logs.search.match_counter import SearchProgress
from flow_core.logs.search.query import SearchQuery

PATTERN = re.compile("a+b?")


def write(folder: Path, logs: int, lines: int, seed: int) -> tuple[list[LogOnDisk], list[tuple[int, str]]]:
    """Returns logs with random words, and all their lines in order."""
    chance = random.Random(seed)
    disks = [LogOnDisk(folder, number) for number in range(logs)]
    for disk in disks:
        times = sorted(chance.randrange(60) for _ in range(lines))
        disk.write((time, "".join(chance.choices("abcd", k=chance.randrange(9)))) for time in times)
    return disks, sort_lines([disk.lines for disk in disks])


async def count(search: MergedSearch) -> SearchProgress:
    async with aclosing(search.count()) as steps:
        return [progress async for progress in steps][-1]


@pytest.mark.parametrize("seed", range(3))
async def test_steps_and_numbers_follow_the_order_of_the_lines(tmp_path: Path, seed: int) -> None:
    disks, every = write(tmp_path, 4, 40, seed)
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        shown = lines.lines_from(0, 1_000)
        assert [line.text for line in shown] == [text for _, text in every]
        expected = [SearchMatch(line.offset, *found.span()) for line in shown for found in PATTERN.finditer(line.text)]
        search = MergedSearch(lines, SearchQuery(PATTERN.pattern, literal=False))
        try:
            assert await count(search) == SearchProgress(len(expected), lines.size, lines.size)
            position, seen = (0, 0), list[SearchMatch]()
            while (match := await search.next(position)) is not None:
                seen.append(match)
                position = (match.offset, match.end)
            assert seen == expected
            position, seen = (1 << 62, 0), []
            while (match := await search.previous(position)) is not None:
                seen.insert(0, match)
                position = (match.offset, match.start)
            assert seen == expected
            for number in random.Random(seed).sample(range(len(expected)), 12):  # from anywhere, with what it knows
                here = expected[number]
                assert await search.find_number(here) == number + 1
                assert await search.next((here.offset, here.start)) == here
                after = expected[number + 1] if number + 1 < len(expected) else None
                assert await search.next((here.offset, here.end)) == after
                assert await search.previous((here.offset, here.start)) == (expected[number - 1] if number else None)
        finally:
            await search.close()


async def test_many_logs_are_searched_by_few_processes_which_end_with_the_search(tmp_path: Path) -> None:
    disks, every = write(tmp_path, 30, 10, 0)
    before = set(list_children(os.getpid()))
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        search = MergedSearch(lines, SearchQuery("a"))
        assert (await count(search)).matches == sum(text.count("a") for _, text in every)
        assert await search.next((0, 0)) is not None
        assert await search.spans(["aba"]) == [[(0, 1), (2, 3)]]
        children = set(list_children(os.getpid())) - before
        assert len(children) == 2 * PROCESSES + 1
        await search.close()
        assert not set(list_children(os.getpid())) & children


async def test_a_log_that_is_hidden_is_neither_searched_nor_counted(tmp_path: Path) -> None:
    disks, _ = write(tmp_path, 3, 20, 1)
    disks[1].write([(70, "needle")])
    disks[2].write([(80, "needle")])
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        search = MergedSearch(lines, SearchQuery("needle"))
        try:
            lines.show(1, is_shown=False)
            search.forget_places()
            assert (await count(search)).matches == 1
            found = await search.next((0, 0))
            assert found is not None
            details = lines.get_details(found.offset)
            assert details is not None
            assert details.source == 2
            lines.show(1, is_shown=True)
            search.forget_places()
            assert (await count(search)).matches == 2
        finally:
            await search.close()


async def test_logs_that_do_not_exist_yet_have_no_match(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].files = SpoolFiles.at(tmp_path / "none")
    disks[1].write([(1, "one")])
    with closing(MergedLines(merge([disk.source() for disk in disks]))) as lines:
        search = MergedSearch(lines, SearchQuery("zero"))
        try:
            assert await count(search) == SearchProgress(0, 4, 4)
            assert await search.next((0, 0)) is None
            assert await search.previous((1 << 62, 0)) is None
        finally:
            await search.close()
