"""Going from error to error in a log."""

from __future__ import annotations

from pathlib import Path

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.filtered.error_finder import ErrorFinder


async def list_errors(finder: ErrorFinder, size: int) -> tuple[list[int], list[int]]:
    """The errors from the start on, and those back from the end."""
    on: list[int] = []
    back: list[int] = []
    position: int | None = -1
    while (position := await finder.next(position)) is not None:
        on.append(position)
    position = size
    while (position := await finder.previous(position)) is not None:
        back.insert(0, position)
    return on, back


async def test_each_error_is_found_in_both_directions(tmp_path: Path) -> None:
    lines = [b"\x1b[32mINFO\x1b[0m step %d, error=0.1" % number for number in range(60_000)]
    lines[70] = b"\x1b[31mERROR\x1b[0m one"
    lines[71] = b"[rank0]: Traceback (most recent call last):"
    lines[31_000] = b"torch.OutOfMemoryError: CUDA out of memory.\r"
    lines[59_999] = b"thread 'main' panicked at x.rs"
    data = b"\n".join(lines) + b"\n"
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(data)
    finder = ErrorFinder(files)
    expected = [data.index(lines[number]) for number in (70, 71, 31_000, 59_999)]
    assert await list_errors(finder, len(data)) == (expected, expected)
    files.log.write_bytes(data + b"FATAL: new\n")
    assert await finder.next(expected[-1]) == len(data)
    await finder.close()


async def test_an_error_that_a_redraw_replaced_is_not_found(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(b"bar\nERROR: retry\n\x1b[1A\x1b[2KINFO fine\nERROR: last\n")
    finder = ErrorFinder(files)
    assert await list_errors(finder, 100) == ([17], [17])
    await finder.close()


async def test_errors_of_one_stream_alone_are_found(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    writer = SpoolWriter(files, lambda: 1)
    writer.append(STDOUT, b"ERROR: out\n")
    writer.append(STDERR, b"ERROR: err\n")
    writer.append(STDOUT, b"more\nERROR: out\n")
    writer.close()
    finder = ErrorFinder(files, STDOUT)
    assert await list_errors(finder, 100) == ([0, 27], [0, 27])
    await finder.close()


async def test_there_may_be_no_error(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    finder = ErrorFinder(files)
    assert await list_errors(finder, 0) == ([], [])
    files.log.write_bytes(b"fine\n")
    assert await list_errors(finder, 5) == ([], [])
    await finder.close()
