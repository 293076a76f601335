"""Positions and lines of a merged log."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.shown.line import ShownLine

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class MergedPosition:
    """A position between two lines of a merged log: an offset in each log, and the order time of the next line.

    A log that was hidden has the offset `UNKNOWN`; it is placed by the time once it is shown again. An offset of an
    earlier generation of a log, which was replaced or cut short since then, means the start of that log.
    """

    time_us: int
    offsets: tuple[int, ...]
    generations: tuple[int, ...]

    @property
    def bytes_before(self) -> int:
        """The sum of the offsets in all shown logs."""
        return sum(offset for offset in self.offsets if offset > 0)


@dataclass(frozen=True, slots=True)
class MergedLine:
    """A line of a merged log, and the position before it.

    `source` is the index of its log. `time_us` is its time by this machine's clock, in microseconds since the epoch.
    If `is_arrival_time`, only the time of its arrival is known. `order_us` is the time by which it is ordered.
    """

    source: int
    line: ShownLine
    time_us: int
    is_arrival_time: bool
    order_us: int
    stream: int
    position: MergedPosition

    @property
    def end(self) -> MergedPosition:
        """The position after the line."""
        offsets = list(self.position.offsets)
        offsets[self.source] = self.line.end
        return MergedPosition(self.order_us, tuple(offsets), self.position.generations)
