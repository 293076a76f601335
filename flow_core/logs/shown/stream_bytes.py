"""Reads the bytes of a log by position: all of them, or those of one stream."""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.open_colours import ColourIndex
from flow_core.logs.reader import LogFileReader
from flow_core.logs.sidecar import SidecarIndex, StreamSpan

PIECE = 64 * 1024
_LINE_LIMIT = 1024 * PIECE


class StreamBytes:
    """The bytes of a log that are of `stream` (None: of both). Offsets are those of the file."""

    def __init__(self, files: SpoolFiles, stream: int | None = None) -> None:
        self.reader = LogFileReader(files.log)
        self.sidecar = SidecarIndex(files.sidecar)
        self.stream = stream
        self.colours: ColourIndex | None = None
        """The index of the colours of the log, if there is one."""
        self._long_line = (0, -PIECE)
        """The start of a long line, and how far it has no newline."""

    @property
    def size(self) -> int:
        return self.reader.size

    def refresh(self) -> bool:
        """Checks the files again; returns whether they have changed."""
        generation = self.reader.generation
        grew = self.reader.refresh()
        if generation != self.reader.generation:
            self._long_line = (0, -PIECE)
        return self.sidecar.refresh() or grew

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self.reader.close()
        self.sidecar.close()

    def read_next(self, offset: int, count: int) -> tuple[int, list[tuple[int, bytes]]]:
        """Reads the next part of at most `count` bytes. Returns the offset after it, and its pieces of this stream.

        The offset is the size of the log at the end.
        """
        if self.stream is None:
            data = self.reader.read(offset, count)
            return offset + len(data), [(offset, data)] if data else []
        start = self.sidecar.find_next(self.stream, offset)
        if start is None or start >= self.size:
            return self.size, []
        data = self.reader.read(start, count)
        spans = self.sidecar.spans(start, start + len(data))
        pieces = [(span.start, data[span.start - start : span.end - start]) for span in spans if self._selects(span)]
        return start + len(data), pieces

    def skip_back(self, offset: int, count: int) -> int:
        """Returns an offset between which and `offset` at least `count` bytes of the stream lie; 0 without so many."""
        if self.stream is None:
            return max(0, offset - count)
        position = min(offset, self.size)
        while count > 0:
            end = self.sidecar.find_previous(self.stream, position)
            if end is None or end <= 0:
                return 0
            position = max(0, end - PIECE)
            count -= sum(span.end - span.start for span in self.sidecar.spans(position, end) if self._selects(span))
        return position

    def line_start(self, offset: int) -> int:
        """Returns the start of the line of the file that contains the byte at `offset`.

        Gives up after 64 MiB. A long line is searched once only.
        """
        start, end = self._long_line
        floor = start if start < offset <= end + PIECE else max(0, offset - _LINE_LIMIT)
        position = offset
        while position > floor:
            begin = max(floor, position - PIECE)
            found = self.reader.read(begin, position - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            position = begin
        if offset - floor > PIECE:
            self._long_line = (floor, offset)
        return floor

    def read_back(self, offset: int, count: int) -> bytes:
        """Returns at most `count` bytes of the file before `offset`, of both streams."""
        start = max(0, offset - count)
        return self.reader.read(start, offset - start)

    def _selects(self, span: StreamSpan) -> bool:
        return span.stream == self.stream
