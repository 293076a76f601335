"""The lines of a log that pass filters, read by position like the whole log."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.export import LogBlock
from flow_core.logs.file_watcher import POLL_S, FileWatcher
from flow_core.logs.filtered.filter_process import FilterProcess
from flow_core.logs.filtered.kept_export import read_kept_blocks
from flow_core.logs.filtered.kept_lines import KeptLines
from flow_core.logs.filtered.line_filter import LogFilters
from flow_core.logs.search.search_process import STUCK_S, SearchTimeout
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.logs.shown.stream_bytes import StreamBytes

_MAX_CACHED = 1024
_MAX_CACHED_CHARS = 4 << 20
_Reports = asyncio.Queue[dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class FilterProgress:
    """The lines that filters kept, without context, in `scanned` of `total` bytes."""

    kept: int
    scanned: int
    total: int

    @property
    def is_complete(self) -> bool:
        return self.scanned >= self.total


class FilteredLog:
    """The lines of a `ShownLog` that pass filters, with its interface: positions are offsets of the log.

    `scan` finds the lines, in a child process: first those near the offset `start_near` (None: at the end). Until it is
    complete, lines are missing, and never wrong. The patterns run in the child only. The owner must close it.
    """

    def __init__(
        self,
        files: SpoolFiles,
        filters: LogFilters,
        stream: int | None = None,
        *,
        expands_redraws: bool = False,
        start_near: int | None = None,
        kept: KeptLines | None = None,
    ) -> None:
        filters.check()
        self.filters = filters
        self.progress = FilterProgress(0, 0, 0)
        self.files = files
        self.insertions = 0
        """Grows when lines were found that may be before others, and not only at the end."""
        self._start_near = start_near
        self._log = ShownLog(files, stream, expands_redraws=expands_redraws)
        self._expands_redraws = expands_redraws
        self._kept = KeptLines() if kept is None else kept
        self._process = self._make_process()
        self._final_until = 0
        self._lines: OrderedDict[int, ShownLine] = OrderedDict()
        self._chars = 0
        self._is_stale = self._has_news = False
        self.path = files.log
        self.stuck_s = STUCK_S
        """A pattern that takes longer for one piece of the log is ended."""

    @property
    def size(self) -> int:
        """The size of the file when it was last checked."""
        return self._log.size

    @property
    def source(self) -> StreamBytes:
        return self._log.source

    def copy(self) -> FilteredLog:
        """Returns the lines that were found so far, for another thread. Its files are not open yet."""
        stream, kept = self._log.source.stream, self._kept.copy()
        twin = FilteredLog(self.files, self.filters, stream, expands_redraws=self._expands_redraws, kept=kept)
        twin.progress = self.progress
        return twin

    def refresh(self) -> bool:
        """Checks the files again; returns whether they have changed, or `scan` has found lines since the last check."""
        generation = self._log.source.reader.generation
        has_changed = self._log.refresh() or self._has_news
        self._has_news = False
        if self._log.source.reader.generation != generation and generation:
            self._forget()
        return has_changed

    def close(self) -> None:
        """Kills the child process at once, and releases the files. Calling it again is safe."""
        self._process.kill()
        self._kept.close()
        self._log.close()
        self._lines.clear()

    async def wait_closed(self) -> None:
        """Closes, and waits until the child process has ended."""
        self.close()
        await self._process.close()

    async def scan(self) -> AsyncGenerator[FilterProgress, None]:
        """Yields the progress after each 0.05 s or so, up to the current end of the log.

        Calling it again, once the log has grown, finds only what is new. Read it under `aclosing`, and by one reader at
        a time. Raises SearchTimeout if a pattern takes too long, and FlowError if the result can't be stored.
        """
        while True:
            if self._is_stale:
                await self._restart()
            reports: _Reports = asyncio.Queue()
            call = asyncio.create_task(
                self._process.call("catch_up", stuck_s=self.stuck_s, on_progress=reports.put_nowait)
            )
            call.add_done_callback(partial(_end_reports, reports))
            try:
                while (report := await reports.get()) is not None:
                    yield self._apply_report(report)
                response = await self._finish(call)
            finally:
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            if response is not None:
                yield self._apply_report(response)
                return

    async def follow(self) -> AsyncGenerator[FilterProgress, None]:
        """Yields the progress as `scan` does, and goes on as the log grows. Raises what `scan` raises."""
        with closing(FileWatcher(self.path)) as watch:
            while True:
                async with aclosing(self.scan()) as steps:
                    async for progress in steps:
                        yield progress
                await asyncio.sleep(POLL_S)
                await watch.wait_for_change()
                while not self._is_behind():
                    await watch.wait_for_change()

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains the byte at `offset`, or else the next one; None if none follows."""
        lines = self.lines_from(offset, 1)
        return lines[0] if lines else None

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them as `line_at` does."""
        number = self._kept.find(offset + 1)
        if number and (line := self._read(number - 1)) is not None and line.end > offset:
            number -= 1
        lines: list[ShownLine] = []
        while number < len(self._kept) and len(lines) < count:
            if (line := self._read(number)) is not None:
                lines.append(line)
            number += 1
        return lines

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""
        number = self._kept.find(offset)
        lines: list[ShownLine] = []
        while number > 0 and len(lines) < count:
            number -= 1
            if (line := self._read(number)) is not None:
                lines.append(line)
        return lines[::-1]

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        """Yields the lines in a range of offsets as text. Does blocking I/O; may run in a thread.

        Raises FlowError while the scan is not complete.
        """
        if not self.progress.is_complete or (self.size and not self.progress.total):
            raise FlowError(
                "the log is still being filtered; try again when the row below shows only the number of lines"
            )
        log = ShownLog(self.files, self._log.source.stream, expands_redraws=self._expands_redraws)
        return read_kept_blocks(log, self._kept.copy(), start, end)

    def is_exact(self, offset: int, until: int) -> bool:
        """As `ShownLog.is_exact`."""
        return self._log.is_exact(offset, until)

    async def make_exact(self, offset: int, until: int) -> None:
        """As `ShownLog.make_exact`."""
        await self._log.make_exact(offset, until)

    def _is_behind(self) -> bool:
        """Returns whether the log may have changed since it was scanned."""
        try:
            status = os.stat(self.path)
        except OSError:
            return self.progress.total > 0
        return self._is_stale or status.st_size != self.progress.total

    def _read(self, number: int) -> ShownLine | None:
        """Returns a line by its number; None if the log was replaced, or if a redraw has removed the line."""
        offset = self._kept[number] // 2
        if (line := self._lines.get(offset)) is not None:
            self._lines.move_to_end(offset)
            return line
        line = self._log.line_at(offset)
        # A line of one stream alone begins at any byte after the line before it.
        if line is None or (line.offset != offset and self.source.stream is None):
            return None
        if line.end <= self._final_until:
            self._lines[offset] = line
            self._chars += len(line.text)
            while len(self._lines) > _MAX_CACHED or self._chars > _MAX_CACHED_CHARS:
                self._chars -= len(self._lines.popitem(last=False)[1].text)
        return line

    def _apply_report(self, report: dict[str, Any]) -> FilterProgress:
        if not self._is_stale:
            self._has_news = True
            self._kept.apply_report(report)
            self._final_until = report["changing"]
            was_complete = self.progress.total > 0 and self.progress.is_complete
            self.progress = FilterProgress(report["kept"], report["scanned"], report["total"])
            self.insertions += not (was_complete and self.progress.is_complete)
        return self.progress

    async def _finish(self, call: asyncio.Task[Any]) -> dict[str, Any] | None:
        """Returns the last report; None if the log was replaced."""
        try:
            response: dict[str, Any] = await call
        except SearchTimeout:
            if self._is_stale:
                return None
            raise
        if "problem" in response:
            raise FlowError(response["problem"])
        if "is_replaced" in response:
            self._log.refresh()  # so that a later check doesn't forget the new log again
            self._forget()
        return None if self._is_stale else response

    def _forget(self) -> None:
        """Forgets all lines, because the log was replaced."""
        self._is_stale = True
        self._process.kill()
        self._kept.apply_report({"backward": 0, "forward": 0, "tail": ()})
        self._lines.clear()
        self._chars = self._final_until = 0
        self._has_news = True
        self.progress = FilterProgress(0, 0, self._log.size)
        self.insertions += 1

    async def _restart(self) -> None:
        await self._process.close()
        self._kept.close()
        self._kept, self._start_near, self._is_stale = KeptLines(), None, False
        self._process = self._make_process()

    def _make_process(self) -> FilterProcess:
        stream, output = self._log.source.stream, self._kept.output
        return FilterProcess(
            self.files,
            self.filters,
            stream,
            expands_redraws=self._expands_redraws,
            output=output,
            start_near=self._start_near,
        )


def _end_reports(reports: _Reports, call: asyncio.Task[Any]) -> None:
    """Ends the queue with None when the call is done."""
    reports.put_nowait(None)
