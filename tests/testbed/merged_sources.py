"""Logs on disk with given times, as the sources of a merged log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flow_core.agent.spool import STDOUT, SpoolFiles, SpoolWriter
from flow_core.logs.merged.clock_offset import ClockOffset
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.position import MergedLine, MergedPosition
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.shown.shown_log import ShownLog

START_US = 1_700_000_000_000_000
NOW_US = START_US + 1_000_000_000_000

Log = Sequence[tuple[int, str]]


class LogOnDisk:
    """A spool whose lines get the times of a test, in milliseconds after `START_US`."""

    def __init__(self, folder: Path, number: int) -> None:
        self.files = SpoolFiles.at(folder / f"rank-{number}")
        self.number = number
        self.lines: list[tuple[int, str]] = []
        self._now_us = START_US

    def write(self, lines: Iterable[tuple[int, str]], stream: int = STDOUT) -> None:
        """Appends lines with their times in the sidecar. Times may go back only from one call to the next."""
        writer = SpoolWriter(self.files, lambda: self._now_us)
        for time_ms, text in lines:
            self._now_us = START_US + time_ms * 1_000
            self.lines.append((time_ms, text))
            writer.append(stream, text.encode() + b"\n")
        writer.close()

    def write_timed_text(self, lines: Iterable[tuple[int, str]]) -> None:
        """Appends lines that begin with their times; no sidecar."""
        with open(self.files.log, "a", encoding="utf-8") as log:
            for time_ms, text in lines:
                log.write(f"{stamp(time_ms)} {text}\n")

    def source(self, *, has_writer_times: bool = True, offset_s: float = 0.0, now_us: int = NOW_US) -> MergedSource:
        return MergedSource(
            f"rank {self.number}",
            ShownLog(self.files),
            has_writer_times=has_writer_times,
            clock=ClockOffset(offset_s, 0.001) if offset_s else None,
            now_us=lambda: now_us,
        )


def stamp(time_ms: int) -> str:
    """The time of a test as ISO 8601."""
    return datetime.fromtimestamp((START_US + time_ms * 1_000) / 1e6, UTC).isoformat(timespec="milliseconds")


def sort_lines(logs: Sequence[Log]) -> list[tuple[int, str]]:
    """The lines of several logs in the order of their times, with the index of their log. Times don't decrease."""
    every = [(time, number, at, text) for number, log in enumerate(logs) for at, (time, text) in enumerate(log)]
    return [(number, text) for _, number, _, text in sorted(every)]


def merge(sources: Sequence[MergedSource]) -> MergedLog:
    merged = MergedLog(sources, now_us=lambda: NOW_US)
    merged.refresh()
    return merged


def texts(lines: Iterable[MergedLine]) -> list[tuple[int, str]]:
    return [(line.source, line.line.text) for line in lines]


def read_forwards(merged: MergedLog, page: int, position: MergedPosition | None = None) -> list[MergedLine]:
    """All lines from a position on, by pages."""
    found: list[MergedLine] = []
    at = position or merged.start
    while lines := merged.lines_from(at, page):
        found += lines
        at = lines[-1].end
    return found


def read_backwards(merged: MergedLog, page: int, position: MergedPosition | None = None) -> list[MergedLine]:
    """All lines before a position, by pages, in order."""
    found: list[MergedLine] = []
    at = position or merged.end
    while lines := merged.lines_before(at, page):
        found[:0] = lines
        at = lines[0].position
    return found
