"""The comparison of two logs in a child process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testbed.sshd import list_children
from testbed.tui.log_desk import write_spool

from flow_core.logs.comparison import MOST_LINES, LogComparison


@contextmanager
def comparison(folder: Path, left: bytes, right: bytes, most_lines: int = MOST_LINES) -> Iterator[LogComparison]:
    found = LogComparison(write_spool(folder / "left", left), write_spool(folder / "right", right), most_lines)
    try:
        yield found
    finally:
        found.close()


async def test_the_shown_text_is_compared(tmp_path: Path) -> None:
    left = b"step 1\n 10%\r 20%\r100%\n\x1b[31mlr 1e-4 cosine\x1b[0m\nend\n"
    right = b"step 2\n 50%\r100%\nlr 1e-4 \x1b[1mlinear\x1b[0m\nend\nmore\n"
    reports: list[int] = []
    with comparison(tmp_path, left, right) as found:
        await found.run(lambda: reports.append(len(found)))
        assert found.signs == b"==|=>"
        assert (found[2].left_text, found[2].right_text) == ("lr 1e-4 cosine", "lr 1e-4 linear")
        assert (found[2].left, found[4].right) == (left.index(b"\x1b[31mlr"), right.index(b"more"))
        assert (found.is_complete, found.is_cut, reports[-1]) == (True, False, 5)


async def test_the_rest_of_a_long_log_is_not_compared_and_the_comparison_says_so(tmp_path: Path) -> None:
    lines = b"x\n" * 9000
    with comparison(tmp_path, lines, lines + b"more\n", most_lines=4000) as found:
        await found.run(lambda: None)
        assert (found.is_complete, found.is_cut) == (True, True)
        assert b">" not in found.signs


async def test_cancelling_ends_the_child_process(tmp_path: Path) -> None:
    before = list_children(os.getpid())
    with comparison(tmp_path, b"a b c\n" * 200_000, b"d e f\n" * 200_000) as found:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await found.run(lambda: None)
        assert list_children(os.getpid()) == before
