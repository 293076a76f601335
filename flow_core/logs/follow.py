"""Follows a log from any offset until it is complete, as bytes or lines, and reads its tail as text."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from flow_core.agent.regular_files import open_regular_file, open_regular_stream
from flow_core.agent.spool import SpoolFiles
from flow_core.errors import ProviderError, Unreachable, printable
from flow_core.logs.file_watcher import POLL_S, FileWatcher
from flow_core.logs.reader import LogFileReader
from flow_core.logs.sidecar import SidecarIndex, select_streams

_CHECK_INTERVAL_S = 0.25
_DEADLINE_S = 10.0
_CHUNK = 256 * 1024
_MAX_LINE_CHARS = 1 << 20
"""A longer line is yielded in pieces of this many characters, so that memory stays bounded."""

IsComplete = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Bytes at `offset`. Resuming from `end` misses nothing.

    `end` is greater than `offset + len(data)` if bytes of other streams were left out.
    """

    offset: int
    data: bytes
    end: int


class CompletionCheck:
    """A rate-limited check whether a log is complete. Each check has a deadline."""

    def __init__(self, is_complete: IsComplete) -> None:
        self._is_complete = is_complete
        self._next_s = 0.0
        self.is_complete = False

    async def check(self) -> bool:
        """Returns the current answer, or the last one if it is recent. No answer counts as "not complete"."""
        now = asyncio.get_running_loop().time()
        if self.is_complete or now < self._next_s:
            return self.is_complete
        try:
            async with asyncio.timeout(_DEADLINE_S):
                self.is_complete = await self._is_complete()
        except (Unreachable, TimeoutError):
            self.is_complete = False
        self._next_s = asyncio.get_running_loop().time() + _CHECK_INTERVAL_S
        return self.is_complete

    async def wait(self) -> None:
        """Waits until the log is complete."""
        while not await self.check():  # noqa: ASYNC110 - the remote side sends no notification
            await asyncio.sleep(_CHECK_INTERVAL_S)


async def follow_log(
    files: SpoolFiles, offset: int, is_complete: IsComplete, streams: Collection[int] | None = None
) -> AsyncGenerator[LogChunk, None]:
    """Yields chunks from `offset` on, in order, until the log is complete. Read it under `aclosing`.

    The log may still be shorter than `offset`. A log that was cut short is read again from its start.
    """
    completion = CompletionCheck(is_complete)
    sidecar = SidecarIndex(files.sidecar)
    watcher = FileWatcher(files.log)
    last_size = 0
    try:
        while True:
            has_ended = await completion.check()
            size = _size(files)
            if size < min(offset, last_size):
                offset = 0
            has_changed, last_size = size != last_size, size
            sidecar.refresh()  # read after the size, so the records of all these bytes exist
            while offset < size:
                data = await asyncio.to_thread(_read, files, offset, min(_CHUNK, size - offset))
                if not data:
                    break
                end = offset + len(data)
                if selected := select_streams(data, offset, sidecar, streams):
                    yield LogChunk(offset, selected, end)
                offset = end
            if has_ended:
                return
            await (asyncio.sleep(POLL_S) if has_changed else watcher.wait_for_change())
    finally:
        watcher.close()
        sidecar.close()


async def follow_lines(
    files: SpoolFiles, is_complete: IsComplete, streams: Collection[int] | None = None, *, updates: bool = False
) -> AsyncGenerator[str, None]:
    """Yields every line from the start, without its line ending, until the log is complete. Read it under `aclosing`.

    With `updates`, also yields the newest redraw of a line that has no end yet, with a carriage return before it.
    """
    async with aclosing(follow_line_batches(files, is_complete, streams, updates=updates)) as batches:
        async for lines in batches:
            for line in lines:
                yield line


async def follow_line_batches(
    files: SpoolFiles, is_complete: IsComplete, streams: Collection[int] | None = None, *, updates: bool = False
) -> AsyncGenerator[list[str], None]:
    """Yields the lines of `follow_lines` as soon as they are there: at once those of up to 256 KiB of the log.

    Read it under `aclosing`.
    """
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = update = ""
    async with aclosing(follow_log(files, 0, is_complete, streams)) as chunks:
        async for chunk in chunks:
            *ended, pending = (pending + decode(chunk.data)).split("\n")
            lines = [line.removesuffix("\r") for line in ended]
            while len(pending) > _MAX_LINE_CHARS:
                lines.append(pending[:_MAX_LINE_CHARS])
                pending = pending[_MAX_LINE_CHARS:]
            if updates and (newest := _find_redraw(pending)) not in ("", update):
                update = newest
                lines.append(f"\r{newest}")
            if lines:
                yield lines
    if pending := pending + decode(b"", final=True):
        yield [pending.removesuffix("\r")]


def _find_redraw(pending: str) -> str:
    """Returns what an unfinished line shows after its last carriage return; "" if it is not redrawn."""
    return pending.rstrip("\r").rpartition("\r")[2] if "\r" in pending else ""


def tail_text(files: SpoolFiles, lines: int | None, streams: Collection[int] | None = None) -> str:
    """Returns the last `lines` lines (None: all) of those streams, in log order, as text.

    Replaces bytes that are not UTF-8 by U+FFFD, and CR LF by a newline. Uses as much memory as the text.
    """
    reader, sidecar = LogFileReader(files.log), SidecarIndex(files.sidecar)
    try:
        reader.refresh()
        sidecar.refresh()
        pieces: list[bytes] = []
        newlines, end = 0, reader.size
        while end > 0 and (lines is None or newlines <= lines):
            start = max(0, end - _CHUNK)
            piece = select_streams(reader.read(start, end - start), start, sidecar, streams)
            newlines += piece.count(b"\n")
            pieces.append(piece)
            end = start
        data = _last_lines(b"".join(reversed(pieces)), lines)
        return data.replace(b"\r\n", b"\n").decode("utf-8", "replace")
    finally:
        reader.close()
        sidecar.close()


def check_readable(files: SpoolFiles) -> None:
    """Raises ProviderError if a file of the log is a folder or a pipe, or if this user may not read it.

    Accepts a log that does not exist yet.
    """
    for path in files:
        try:
            os.close(open_regular_file(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ProviderError(
                f"the log {printable(path.name)} can't be read: {error.strerror} ({printable(str(path.parent))})"
            ) from error


def _last_lines(data: bytes, lines: int | None) -> bytes:
    if lines is None:
        return data
    position = len(data) - data.endswith(b"\n")
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return data
    return data[position + 1 :]


def _size(files: SpoolFiles) -> int:
    try:
        return os.stat(files.log).st_size
    except OSError:
        return 0


def _read(files: SpoolFiles, offset: int, length: int) -> bytes:
    try:
        with open_regular_stream(files.log) as log:
            return os.pread(log.fileno(), length, offset)
    except OSError:
        return b""
