"""Saving a log to a file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.errors import FlowError
from flow_core.logs.export import LogBlock, read_raw_blocks, read_shown_blocks, save_blocks


def written(stem: Path, *pieces: tuple[int, bytes]) -> SpoolFiles:
    files, clock = SpoolFiles.at(stem), iter(range(10**15, 10**16, 5_000))
    writer = SpoolWriter(files, lambda: next(clock))
    for stream, data in pieces:
        writer.append(stream, data)
    writer.close()
    return files


def shown(files: SpoolFiles, stream: int | None = None, start: int = 0, end: int | None = None) -> str:
    stop = files.log.stat().st_size if end is None else end
    return b"".join(block.data for block in read_shown_blocks(files, stream, start, stop)).decode()


async def save(blocks: Iterator[LogBlock], path: Path, *, replaces: bool = False) -> list[int]:
    reached: list[int] = []
    await save_blocks(blocks, path, replaces=replaces, report=reached.append)
    return reached


def test_the_shown_text_has_no_colours_and_no_overwritten_text(tmp_path: Path) -> None:
    files = written(tmp_path / "log", (STDOUT, b"\x1b[31mred\x1b[0m\r\n10%\r90%\nlast"), (STDERR, b"\nbad\n"))
    assert shown(files) == "red\n90%\nlast\nbad\n"
    assert shown(files, STDERR).split() == ["bad"]


@given(st.lists(st.text("ab \u6f22\u00e9", max_size=5), min_size=1, max_size=700), st.data())
def test_a_range_of_the_shown_text_has_the_lines_that_begin_in_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], data: st.DataObject
) -> None:
    raw = "".join(f"{line}\n" for line in lines).encode()
    files = written(tmp_path_factory.mktemp("log") / "log", (STDOUT, raw))
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines)))
    assert shown(files, None, starts[first], starts[last]) == "".join(
        f"{line.rstrip()}\n" for line in lines[first:last]
    )


async def test_a_saved_file_has_every_byte_and_progress_was_reported(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    files, target = written(tmp_path / "log", (STDOUT, data)), tmp_path / "saved"
    reached = await save(read_raw_blocks(files, 0, len(data)), target)
    assert target.read_bytes() == data
    assert reached[-1] == len(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.idx", "log.log", "saved"]


async def test_an_existing_file_is_replaced_only_if_that_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "saved"
    target.write_text("mine")
    with pytest.raises(FlowError, match="File exists"):
        await save(iter([LogBlock(b"new", 3)]), target)
    assert target.read_text() == "mine"
    await save(iter([LogBlock(b"new", 3)]), target, replaces=True)
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


async def test_a_save_that_is_cancelled_or_fails_leaves_nothing(tmp_path: Path) -> None:
    has_begun, may_go_on = threading.Event(), threading.Event()

    def endless() -> Iterator[LogBlock]:
        while True:
            has_begun.set()
            may_go_on.wait(10)
            yield LogBlock(b"x", 1)

    saving = asyncio.create_task(save(endless(), tmp_path / "saved"))
    await asyncio.to_thread(has_begun.wait, 10)
    saving.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    with pytest.raises(FlowError, match="could not be written"):
        await save(iter([]), tmp_path / "no folder" / "saved")
    assert list(tmp_path.iterdir()) == []
