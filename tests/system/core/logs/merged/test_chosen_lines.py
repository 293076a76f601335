"""Merged logs with filters, and their errors. The filters run in child processes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from testbed.merged_sources import LogOnDisk, merge

from flow_core.agent.spool import STDERR
from flow_core.logs.filtered.line_filter import ERRORS_ONLY, LineFilter, LogFilters
from flow_core.logs.merged.merged_errors import MergedErrors
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.search.query import SearchQuery

HIT = LogFilters((LineFilter(SearchQuery("hit")),))


@asynccontextmanager
async def opened(disks: list[LogOnDisk]) -> AsyncIterator[MergedLines]:
    lines = MergedLines(merge([disk.source() for disk in disks]))
    yield lines
    filtered = [source.filtered for source in lines.merged.sources]
    lines.close()
    for log in filtered:
        if log is not None:
            await log.wait_closed()


async def find_lines(lines: MergedLines) -> None:
    """Lets the filters find all lines."""
    for source in lines.merged.sources:
        assert source.filtered is not None
        async with aclosing(source.filtered.scan()) as steps:
            async for _ in steps:
                pass
    lines.refresh()
    lines.forget_lines()


def texts(lines: MergedLines) -> list[str]:
    """All lines, which both directions must give with the same offsets and without gaps."""
    forward = lines.lines_from(0, 10_000)
    assert [line.end for line in forward] == [line.offset for line in forward[1:]] + [lines.size] * bool(forward)
    lines.forget_lines()
    assert lines.lines_before(lines.size, 10_000) == forward
    return [line.text for line in forward]


def make_disks(folder: Path, count: int, seed: int) -> list[LogOnDisk]:
    chance = random.Random(seed)
    disks = [LogOnDisk(folder, number) for number in range(count)]
    for disk in disks:
        times = sorted(chance.randrange(1000) for _ in range(chance.randrange(40, 90)))
        disk.write([(at, f"{chance.choice(['hit', 'hit', 'miss'])} {disk.number}-{at}") for at in times])
    return disks


def in_order(disks: list[LogOnDisk]) -> list[str]:
    every = [(at, disk.number, place, text) for disk in disks for place, (at, text) in enumerate(disk.lines)]
    return [text for *_, text in sorted(every)]


async def test_the_lines_that_pass_are_in_the_order_of_all_lines_in_both_directions(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disks = make_disks(folder, 4, seed)
        async with opened(disks) as lines:
            assert texts(lines) == in_order(disks)
            lines.choose_lines(None, filters=HIT)
            await find_lines(lines)
            hits = [text for text in in_order(disks) if "hit" in text]
            assert texts(lines) == hits
            for line in lines.lines_from(0, 10_000)[::7]:
                lines.forget_lines()
                assert lines.line_at(line.offset) == line
            lines.forget_lines()
            middle = lines.lines_from(0, 10_000)[len(hits) // 2]
            assert [line.text for line in lines.lines_before(middle.offset, 3)] == hits[
                len(hits) // 2 - 3 : len(hits) // 2
            ]
            lines.choose_lines(None)
            assert texts(lines) == in_order(disks)


async def test_new_lines_are_filtered_and_the_text_is_read_with_its_labels(tmp_path: Path) -> None:
    disks = make_disks(tmp_path, 2, 5)
    async with opened(disks) as lines:
        lines.choose_lines(None, filters=HIT)
        await find_lines(lines)
        disks[0].write([(2000, "hit late"), (2001, "miss late")])
        disks[1].write([(2002, "hit later")], STDERR)
        await find_lines(lines)
        hits = [text for text in in_order(disks) if "hit" in text]
        assert texts(lines) == hits
        assert hits[-2:] == ["hit late", "hit later"]
        read = b"".join(block.data for block in lines.read_blocks(0, lines.size)).decode()
        assert [line.split(" ", 2)[2] for line in read.splitlines()] == hits
        disks[0].files.log.write_bytes(b"hit anew\n")
        await find_lines(lines)
        assert texts(lines).count("hit anew") == 1
        assert not any(" 0-" in text for text in texts(lines))


async def test_a_log_of_which_no_line_passes_shows_none(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(1, "miss"), (3, "miss")])
    disks[1].write([(2, "hit a"), (4, "hit b")])
    async with opened(disks) as lines:
        lines.choose_lines(None, filters=HIT)
        await find_lines(lines)
        assert [line.text for line in lines.lines_from(0, 9)] == ["hit a", "hit b"]
        assert [line.text for line in lines.lines_before(lines.size, 9)] == ["hit a", "hit b"]
        lines.choose_lines(None, filters=LogFilters((ERRORS_ONLY,)))
        await find_lines(lines)
        assert lines.lines_before(lines.size, 9) == lines.lines_from(0, 9) == []


async def test_errors_of_all_logs_are_found_in_the_order_of_the_lines(tmp_path: Path) -> None:
    disks = make_disks(tmp_path, 3, 9)
    disks[0].write([(1100, "ERROR a"), (1150, "more"), (1400, "ERROR d")])
    disks[2].write([(1200, "ERROR b"), (1300, "ERROR c")])
    async with opened(disks) as lines:
        errors = MergedErrors(lines)
        try:
            every = {line.offset: line.text for line in lines.lines_from(0, 10_000)}
            forward, offset = [], -1
            while (found := await errors.next(offset)) is not None:
                forward.append(every[found])
                offset = found
            assert forward == ["ERROR a", "ERROR b", "ERROR c", "ERROR d"]
            backward, before = [], lines.size
            while (found := await errors.previous(before)) is not None:
                backward.append(every[found])
                before = found
            assert backward == forward[::-1]
            lines.show(2, is_shown=False)
            assert await errors.next(-1) is not None
            assert lines.lines_from(await errors.next(-1) or 0, 1)[0].text == "ERROR a"
        finally:
            await errors.close()
