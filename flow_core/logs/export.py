"""Reads a log as blocks of text or of raw bytes, and saves it to a file."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from flow_core.agent.regular_files import open_regular_file
from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError, printable
from flow_core.logs.shown.shown_log import ShownLog

_LINES = 500
_RAW_BLOCK = 1 << 20
_LINKS_UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

ResultT = TypeVar("ResultT")


class LogBlock(NamedTuple):
    """A part of a log. `end` is the offset in the log at which the next part begins."""

    data: bytes
    end: int


def read_shown_blocks(files: SpoolFiles, stream: int | None, start: int, end: int) -> Iterator[LogBlock]:
    """Yields the shown lines that begin in a range of offsets, each with a newline. Does blocking I/O."""
    with closing(ShownLog(files, stream)) as log:
        log.refresh()
        while start < end:
            lines = [line for line in log.lines_from(start, _LINES) if start <= line.offset < end]
            if not lines:
                return
            text = "".join(f"{line.text}\n" for line in lines)
            start = max(lines[-1].end, start + 1)
            yield LogBlock(text.encode("utf-8", "replace"), start)


def read_raw_blocks(files: SpoolFiles, start: int, end: int) -> Iterator[LogBlock]:
    """Yields the bytes of a range as the task wrote them. Does blocking I/O. Raises OSError."""
    fd = open_regular_file(files.log)
    try:
        while start < end and (data := os.pread(fd, min(_RAW_BLOCK, end - start), start)):
            start += len(data)
            yield LogBlock(data, start)
    finally:
        os.close(fd)


async def save_blocks(blocks: Iterator[LogBlock], path: Path, *, replaces: bool, report: Callable[[int], None]) -> int:
    """Saves the blocks to a file that only its owner can read; returns its size in bytes. Raises FlowError.

    The file appears only when it is complete. Cancelling leaves nothing. Without `replaces`, an existing file is not
    changed and an error is raised. `report` gets the offset in the log that was reached.
    """
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                while (block := await run_blocking(lambda: _copy_block(blocks, file.write))) is not None:
                    report(block.end)
                size = file.tell()
                await run_blocking(lambda: _flush(file.fileno(), file.flush))
            _publish(part, path, replaces=replaces)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FlowError(f"{printable(str(path))} could not be written: {error.strerror or error}") from error
    return size


async def run_blocking(work: Callable[[], ResultT]) -> ResultT:
    """Runs blocking work in a thread. A cancellation is raised when the work has ended."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _copy_block(blocks: Iterator[LogBlock], write: Callable[[bytes], object]) -> LogBlock | None:
    block = next(blocks, None)
    if block is not None:
        write(block.data)
    return block


def _flush(fd: int, flush: Callable[[], object]) -> None:
    flush()
    os.fsync(fd)


def _publish(part: Path, path: Path, *, replaces: bool) -> None:
    """Gives the complete file its name. A link refuses an existing file, a rename would replace it."""
    if replaces:
        part.replace(path)
        return
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _LINKS_UNSUPPORTED:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        part.replace(path)
