"""The line index against what Python says the lines are."""

from __future__ import annotations

import asyncio
import os
import random
import tracemalloc
from itertools import accumulate
from pathlib import Path

from flow_core.logs.line_counter import BLOCK, LineCounter


def random_lines(count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    lines = [b"%d " % n + b"x" * chance.randrange(60) if chance.random() > 0.2 else b"" for n in range(count)]
    for place in (0, count // 3, count - 1):
        lines[place] = b"huge" + b"y" * (3 * BLOCK + chance.randrange(BLOCK))
    return lines


async def test_random_lines_of_a_big_file_are_those_that_split_gives(tmp_path: Path) -> None:
    lines = random_lines(200_000, seed=7)
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(lines))
    index = LineCounter(path)
    await index.catch_up()
    assert index.line_count == len(lines)
    offsets, offset = [], 0
    for line in lines:
        offsets.append(offset)
        offset += len(line) + 1
    chance = random.Random(1)
    for first in [0, 1, len(lines) // 3 - 1, len(lines) - 3, len(lines) - 1, *chance.sample(range(len(lines)), 150)]:
        assert index.find_line_start(first) == offsets[first]
    assert index.find_line_start(len(lines)) is None


def test_a_file_that_grows_is_indexed_from_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    index = LineCounter(path)
    index.update()
    assert index.line_count == 0
    written: list[bytes] = []
    chance = random.Random(3)
    with open(path, "ab", buffering=0) as log:
        for _ in range(60):
            piece = b"".join(b"x" * chance.randrange(200) + b"\n" * chance.randrange(2) for _ in range(1000))
            log.write(piece)
            written.append(piece)
            index.update()
            text = b"".join(written)
            expected = text.split(b"\n")[:-1] if text.endswith(b"\n") else text.split(b"\n")
            assert index.line_count == len(expected)
    assert index.scanned > 3 * BLOCK
    starts = list(accumulate((len(line) + 1 for line in expected[:-1]), initial=0))
    for number in chance.sample(range(len(expected)), 100):
        assert index.find_line_start(number) == starts[number]


def test_a_file_that_was_cut_short_or_replaced_is_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n" * 500_000)
    index = LineCounter(path)
    index.update()
    os.truncate(path, 40)
    index.update()
    assert index.line_count == 10
    path.write_bytes(b"new line\n" * 300_000)
    index.update()
    assert index.line_count == 300_000
    assert index.find_line_start(299_999) == 299_999 * len("new line\n")
    path.unlink()
    index.update()
    assert index.line_count == 0


async def test_a_file_of_300_mb_takes_less_than_20_mb_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with open(path, "wb") as log:
        log.write(b"first\n")
        log.seek(300 * 1024 * 1024)
        log.write(b"\n" + b"last %s\n" % (b"z" * 100))
    tracemalloc.start()
    try:
        index = LineCounter(path)
        await index.catch_up()
        assert index.line_count == 3
        assert index.find_line_start(2) == 300 * 1024 * 1024 + 1
        assert tracemalloc.get_traced_memory()[1] < 20 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_counting_can_be_cancelled_and_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 2_000_000)
    index = LineCounter(path)
    counting = asyncio.ensure_future(index.catch_up())
    await asyncio.sleep(0)
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)
    await index.catch_up()
    assert index.line_count == 2_000_000
