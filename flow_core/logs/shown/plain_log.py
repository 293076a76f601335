"""The shown lines of a log, one for each raw line."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.ansi import to_styled_runs
from flow_core.logs.reader import LineReader, LogLine
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.sidecar import SidecarIndex, select_streams


class PlainLog:
    """The shown lines of the spool, or only those of one stream. Each call reads a bounded number of bytes per line."""

    def __init__(self, files: SpoolFiles, stream: int | None = None) -> None:
        self._reader = LineReader(files.log)
        self._sidecar = SidecarIndex(files.sidecar)
        self._stream = stream

    @property
    def size(self) -> int:
        return self._reader.size

    def refresh(self) -> bool:
        """Reads the files again. Returns whether they have changed."""
        grew = self._reader.refresh()
        return self._sidecar.refresh() or grew

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self._reader.close()
        self._sidecar.close()

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines, from the line that contains `offset` on."""
        found: list[ShownLine] = []
        offset = self._reader.line_start(offset)
        while len(found) < count and (line := self._line_from(offset)) is not None:
            found.append(self._show(line))
            offset = line.end
        return found

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that end at or before `offset`, in their order."""
        found: list[ShownLine] = []
        while len(found) < count and (line := self._line_before(offset)) is not None:
            found.append(self._show(line))
            offset = line.offset
        return found[::-1]

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains the byte at `offset`."""
        line = self._reader.line_at(self._reader.line_start(offset))
        return None if line is None else self._show(line)

    def _line_from(self, offset: int) -> LogLine | None:
        if self._stream is not None:
            found = self._sidecar.find_next(self._stream, offset)
            if found is None or found >= self._reader.size:
                return None
            offset = max(offset, self._reader.line_start(found))
        return self._reader.line_at(offset)

    def _line_before(self, offset: int) -> LogLine | None:
        if self._stream is None:
            return self._reader.line_before(offset)
        end = self._sidecar.find_previous(self._stream, min(offset, self._reader.size))
        if end is None or end <= 0:
            return None
        return self._reader.line_at(self._reader.line_start(end - 1))

    def _show(self, line: LogLine) -> ShownLine:
        streams = None if self._stream is None else (self._stream,)
        data = select_streams(line.data, line.data_offset, self._sidecar, streams)
        runs = tuple(to_styled_runs(data.decode("utf-8", "replace")))
        text = "".join(run for run, _ in runs)
        return ShownLine(line.offset, line.end, line.offset, text, runs, line.ended)
