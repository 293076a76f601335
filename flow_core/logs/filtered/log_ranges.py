"""Reads the lines of a range of a log in blocks, in either direction."""

from __future__ import annotations

from collections.abc import Iterator

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.line_block import LineBlock, LineBlockFactory, ScreenLines
from flow_core.logs.search.block_reader import BlockReader
from flow_core.logs.shown.shown_log import ShownLog

_FIRST_WINDOW, _LARGEST_WINDOW = 1 << 16, 1 << 22
_LINES = 2000


class LogRanges:
    """The lines of one log. Lines of one stream alone, or with each redraw on its own, are read more slowly.

    Offsets of lines are those of a `ShownLog` with the same options.
    """

    def __init__(self, files: SpoolFiles, stream: int | None, *, expands_redraws: bool) -> None:
        self.log = ShownLog(files, stream, expands_redraws=expands_redraws)
        self._is_plain = stream is None and not expands_redraws
        self._reader = BlockReader(files, LineBlockFactory(), None)
        self._window = _FIRST_WINDOW

    @property
    def size(self) -> int:
        return self.log.size

    @property
    def generation(self) -> int:
        """Changes if the log was replaced or cut short."""
        return self.log.source.reader.generation

    def refresh(self) -> None:
        """Checks the files again."""
        self._reader.refresh()
        self.log.refresh()

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self._reader.close()
        self.log.close()

    def iter_range(self, start: int, stop: int) -> Iterator[LineBlock]:
        """Yields the lines from the line at `start` on that begin before `stop`, in order."""
        if self._is_plain:
            return (block for _, block in self._reader.iter_blocks(start, min(stop, self._reader.size)))
        return self._iter_shown(start, stop)

    def read_before(self, stop: int) -> tuple[int, list[LineBlock]]:
        """Returns lines that end where the line at `stop` begins, in order, and the offset at which they begin.

        The first call reads 64 KiB, and later calls up to 4 MiB.
        """
        while self._is_plain and self._window <= _LARGEST_WINDOW:
            start = self._reader.find_boundary(max(0, stop - self._window), stop)
            if start < stop:
                blocks = list(self.iter_range(start, stop))
                self._window = min(2 * self._window, _LARGEST_WINDOW)
                return start, blocks
            self._window *= 2
        self._window = _FIRST_WINDOW
        lines = [line for line in self.log.lines_before(stop, _LINES) if line.offset < stop]
        return (lines[0].offset, [ScreenLines(lines)]) if lines else (0, [])

    def restart_windows(self) -> None:
        """Makes the next `read_before` read little, so that it returns at once."""
        self._window = _FIRST_WINDOW

    def _iter_shown(self, start: int, stop: int) -> Iterator[LineBlock]:
        position = start
        while position < stop:
            lines = [line for line in self.log.lines_from(position, _LINES) if position <= line.offset < stop]
            if not lines:
                return
            yield ScreenLines(lines)
            position = max(lines[-1].end, lines[-1].offset + 1)
