"""Bytes of a log as they come, from any offset until nothing will be added; and the text of its end."""

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
from flow_core.logs.reader import LineReader
from flow_core.logs.sidecar import SidecarIndex, select_streams

_ASK_S = 0.25
_DEADLINE_S = 10.0
_CHUNK = 256 * 1024
LINE_MAX = 1 << 20
"""A longer line is given in pieces of this many characters: memory stays bounded."""

IsComplete = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Bytes that stand at `offset`. Reading on from `end` misses nothing.

    `end` is past `offset + len(data)` where bytes of other streams were left out.
    """

    offset: int
    data: bytes
    end: int


class CompletionCheck:
    """Asks whether a log is complete, but not at every look at the file, and never without a deadline."""

    def __init__(self, is_complete: IsComplete) -> None:
        self._is_complete = is_complete
        self._next_s = 0.0
        self.known = False

    async def ask(self) -> bool:
        """The answer now, or the last one where that is recent. Nobody answering means: not yet."""
        now = asyncio.get_running_loop().time()
        if self.known or now < self._next_s:
            return self.known
        try:
            async with asyncio.timeout(_DEADLINE_S):
                self.known = await self._is_complete()
        except (Unreachable, TimeoutError):
            self.known = False
        self._next_s = asyncio.get_running_loop().time() + _ASK_S
        return self.known

    async def wait(self) -> None:
        """Returns once the log is complete."""
        while not await self.ask():  # noqa: ASYNC110 - the far side can only be asked
            await asyncio.sleep(_ASK_S)


async def follow_log(
    files: SpoolFiles, offset: int, is_complete: IsComplete, streams: Collection[int] | None = None
) -> AsyncGenerator[LogChunk, None]:
    """Yields chunks from `offset` on, in order, until the log is complete. Read it under `aclosing`.

    The log may not reach to `offset` yet. One that was cut short is read again from its start.
    """
    completion = CompletionCheck(is_complete)
    stamps = SidecarIndex(files.sidecar)
    watch = FileWatcher(files.log)
    seen = 0
    try:
        while True:
            over = await completion.ask()
            size = _size(files)
            if size < min(offset, seen):
                offset = 0
            has_changed, seen = size != seen, size
            stamps.refresh()  # after the size: the records of all these bytes are there
            while offset < size:
                data = await asyncio.to_thread(_read, files, offset, min(_CHUNK, size - offset))
                if not data:
                    break
                end = offset + len(data)
                if wanted := select_streams(data, offset, stamps, streams):
                    yield LogChunk(offset, wanted, end)
                offset = end
            if over:
                return
            await (asyncio.sleep(POLL_S) if has_changed else watch.changed())
    finally:
        watch.close()
        stamps.close()


async def follow_lines(
    files: SpoolFiles, is_complete: IsComplete, streams: Collection[int] | None = None
) -> AsyncGenerator[str, None]:
    """Every line from the start, without its newline, until the log is complete. Read it under `aclosing`."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    async with aclosing(follow_log(files, 0, is_complete, streams)) as chunks:
        async for chunk in chunks:
            *lines, pending = (pending + decode(chunk.data)).split("\n")
            for line in lines:
                yield line
            while len(pending) > LINE_MAX:
                yield pending[:LINE_MAX]
                pending = pending[LINE_MAX:]
    if pending := pending + decode(b"", final=True):
        yield pending


def tail_text(files: SpoolFiles, lines: int | None, streams: Collection[int] | None = None) -> str:
    """The last `lines` lines (`None`: all of it) of those streams together, as text.

    Bytes that are no UTF-8 become replacement characters. Takes as much memory as the text it returns.
    """
    reader, stamps = LineReader(files.log), SidecarIndex(files.sidecar)
    try:
        reader.refresh()
        stamps.refresh()
        pieces: list[bytes] = []
        newlines, end = 0, reader.size
        while end > 0 and (lines is None or newlines <= lines):
            start = max(0, end - _CHUNK)
            piece = select_streams(reader.read(start, end - start), start, stamps, streams)
            newlines += piece.count(b"\n")
            pieces.append(piece)
            end = start
        return _last(b"".join(reversed(pieces)), lines).decode("utf-8", "replace")
    finally:
        reader.close()
        stamps.close()


def check_readable(files: SpoolFiles) -> None:
    """Raises ProviderError where a folder or a pipe is in the place of a log, or the file is closed to this user.

    A log that does not exist yet is fine.
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


def _last(data: bytes, lines: int | None) -> bytes:
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
