"""The times of the lines of one log: by the writer, by the line itself, or by its arrival."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.spool import STDOUT
from flow_core.logs.analysis.line_time import find_time
from flow_core.logs.merged.arrival import ArrivalTimes
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.sidecar import SidecarIndex

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_CHECKED_RECORDS = 64
_AFTER_ARRIVAL_US = 5_000_000
"""A line can't be written after its arrival. A time that is later by more than this has another meaning."""


def read_clock_us() -> int:
    return time.time_ns() // 1_000


class WrittenTime(NamedTuple):
    """When a line was written and when it arrived, by this machine's clock; its stream.

    `own_us` is None if only its arrival is known.
    """

    own_us: int | None
    arrival_us: int
    stream: int


class LineTimes:
    """The times of a log's lines in microseconds since the epoch, by this machine's clock.

    `has_writer_times` is whether the sidecar records when the bytes were written, by the writer's clock. Otherwise it
    records when they arrived here. `clock_offset_us` is how far the writer's clock is ahead of this machine's.
    """

    def __init__(self, sidecar: SidecarIndex, *, has_writer_times: bool, now_us: Callable[[], int]) -> None:
        self.has_writer_times = has_writer_times
        self.clock_offset_us = 0
        self.sidecar = sidecar
        self.arrivals = ArrivalTimes()
        self.now_us = now_us
        self._known_records = 0

    def note_growth(self, path: Path, old_size: int, size: int) -> int:
        """Notes that the log or its sidecar has grown. Returns the offset from which on times may have changed."""
        known, self._known_records = self._known_records, self.sidecar.count
        if not self.sidecar.count and size > old_size:
            self.arrivals.note(old_size, self.now_us() if old_size else min(self.now_us(), _read_mtime_us(path)))
        if self._known_records == known:
            return size
        return self.sidecar.get_offset(known) if self._known_records > known > 0 else 0

    def clear(self) -> None:
        """Forgets the arrivals, after the log was replaced or cut short."""
        self.arrivals.clear()

    def read(self, lines: Sequence[ShownLine]) -> list[WrittenTime]:
        """Returns the times of lines, which are in order."""
        stamps = self._list_stamps([line.written_at for line in lines])
        if not self.has_writer_times:
            return [self._parse(line, stamp) for line, stamp in zip(lines, stamps, strict=True)]
        shift = self.clock_offset_us
        return [
            self._parse(line, None) if stamp is None else WrittenTime(stamp[0] - shift, *stamp)
            for line, stamp in zip(lines, stamps, strict=True)
        ]

    def find_offset(self, time_us: int) -> int | None:
        """Returns about where the recorded times reach `time_us`; None if they don't yet."""
        if self.sidecar.count:
            return self.sidecar.find_offset_us(time_us + (self.clock_offset_us if self.has_writer_times else 0))
        return self.arrivals.find_offset(time_us)

    @property
    def has_records(self) -> bool:
        return self.sidecar.count > 0

    @property
    def is_sorted_at_end(self) -> bool:
        """Whether the writer's times have not gone back lately."""
        return self.has_writer_times and self.sidecar.is_sorted_at_end(_CHECKED_RECORDS)

    def list_recorded_us(self, offsets: Sequence[int]) -> list[int]:
        """Returns the recorded times of bytes."""
        shift = self.clock_offset_us if self.has_writer_times else 0
        return [
            self.arrivals.get_time_us(offset) if stamp is None else stamp[0] - shift
            for offset, stamp in zip(offsets, self._list_stamps(offsets), strict=True)
        ]

    def _list_stamps(self, offsets: Sequence[int]) -> Sequence[tuple[int, int] | None]:
        return self.sidecar.list_stamps(offsets) if self.sidecar.count else [None] * len(offsets)

    def find_own_us(self, text: str, arrival_us: int) -> int | None:
        """Returns the time at the beginning of a line that arrived at `arrival_us`; None if it has none.

        A time without a zone is in UTC. A time that is later than the arrival has another meaning.
        """
        reference = _EPOCH + timedelta(microseconds=arrival_us or self.now_us())
        if (time := find_time(text, reference)) is None:
            return None
        own_us = (time - _EPOCH) // _MICROSECOND - self.clock_offset_us
        return None if arrival_us and own_us > arrival_us + _AFTER_ARRIVAL_US else own_us

    def find_arrival_us(self, offset: int) -> int:
        """Returns when the byte at `offset` arrived; 0 if that is not known."""
        stamp = self._list_stamps([offset])[0]
        return self.arrivals.get_time_us(offset) if stamp is None else stamp[0]

    def _parse(self, line: ShownLine, stamp: tuple[int, int] | None) -> WrittenTime:
        arrival_us, stream = (self.arrivals.get_time_us(line.written_at), STDOUT) if stamp is None else stamp
        return WrittenTime(self.find_own_us(line.text, arrival_us), arrival_us, stream)


def _read_mtime_us(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns // 1_000
    except OSError:
        return 0
