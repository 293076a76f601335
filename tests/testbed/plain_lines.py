"""Raw lines as the lines of a log, and whole logs merged by a plain sort, to hold the merged log to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flow_core.logs.ansi import PLAIN
from flow_core.logs.reader import LineReader, LogLine
from flow_core.logs.shown.line import ShownLine


class PlainLines:
    """The lines of a file, one for each newline."""

    def __init__(self, path: Path) -> None:
        self._reader = LineReader(path)
        self.size = 0

    def refresh(self) -> bool:
        changed = self._reader.refresh()
        self.size = self._reader.size
        return changed

    def close(self) -> None:
        self._reader.close()

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        found: list[ShownLine] = []
        start = self._reader.line_start(offset)
        while len(found) < count and (line := self._reader.line_at(start)) is not None:
            found.append(_shown(line))
            start = line.end
        return found

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        found: list[ShownLine] = []
        start = offset if offset >= self.size else self._reader.line_start(offset)
        while len(found) < count and (line := self._reader.line_before(start)) is not None:
            found.append(_shown(line))
            start = line.offset
        return found[::-1]


def sort_lines(logs: Sequence[Sequence[tuple[int, str]]]) -> list[tuple[int, str]]:
    """The lines of several logs in the order of their times, with the index of their log. Times don't decrease."""
    every = [(time, number, at, text) for number, log in enumerate(logs) for at, (time, text) in enumerate(log)]
    return [(number, text) for _, number, _, text in sorted(every)]


def _shown(line: LogLine) -> ShownLine:
    text = line.data.decode("utf-8", "replace")
    return ShownLine(line.offset, line.end, line.offset, text, ((text, PLAIN),) if text else (), line.ended)
