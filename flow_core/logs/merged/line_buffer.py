"""The lines of one log around a place, with the times by which they are ordered among the lines of other logs.

The order of a log's own lines never changes. So a line is ordered by the latest time among its own and those of the
`CONTEXT_LINES` lines before it. These times never decrease as long as no time goes back for more lines than that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from flow_core.agent.spool import STDOUT
from flow_core.logs.filtered.gapless_log import GaplessLog
from flow_core.logs.merged.line_times import LineTimes, WrittenTime
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.shown_log import ShownLog

CONTEXT_LINES = 16
SEARCHED_LINES = 1024
"""A line without a time takes the time of the nearest earlier of so many lines, else that of the next one."""

_MOST_LINES = 4096
_READ_LINES = 32
_TAIL_LINES = 4
_FEW_BYTES = 512
_NEAR_BYTES = 16 * 1024


class TimedLine(NamedTuple):
    """A line with its time, in microseconds since the epoch by this machine's clock.

    `is_arrival` is whether only the time of its arrival is known. `order_us` is the time by which it is ordered.
    """

    line: ShownLine
    time_us: int
    is_arrival: bool
    order_us: int
    stream: int


class LineBuffer:
    """A cached range of lines of a log. `get_floor_us` returns the earliest order time at an offset.

    `uses_line_times` is whether lines without a time take that of the lines around them.
    """

    def __init__(self, log: ShownLog | GaplessLog, times: LineTimes, get_floor_us: Callable[[int], int]) -> None:
        self.uses_line_times = False
        self.is_tail_plain = False
        """Whether the last lines of the log are in the order of their times, without the lines before them."""
        self._log = log
        self._times = times
        self._get_floor_us = get_floor_us
        self._lines: list[ShownLine] = []
        self._written: list[WrittenTime] = []
        self._raw_us: list[int] = []
        self._timed: list[TimedLine] = []
        self._valid = 0
        self._is_at_start = False

    def clear(self) -> None:
        self._drop_from(0)
        self._valid, self._is_at_start = 0, False

    def drop_changed_lines(self, old_size: int, times_changed_from: int, *, is_only_last: bool) -> None:
        """Forgets the lines that may have changed since the log had `old_size` bytes.

        `is_only_last` is whether only the last line can have another text. Lines that were written from
        `times_changed_from` on may have another time.
        """
        kept = len(self._lines)
        while kept:
            line = self._lines[kept - 1]
            if line.end < old_size and line.written_at < times_changed_from and (line.is_final or is_only_last):
                break
            kept -= 1
        self._drop_from(kept)

    def list_before(self, offset: int, count: int) -> list[TimedLine]:
        """Returns the last `count` lines whose end is at most `offset`, in order."""
        index = self._reach(offset)
        while index - self._valid < count and self._prepend(count):
            index = self._count_before(offset)
        return self._timed[max(self._valid, index - count) : index]

    def list_from(self, offset: int, count: int) -> list[TimedLine]:
        """Returns the first `count` lines whose end is after `offset`, in order."""
        index = self._reach(offset)
        while (index < self._valid and self._prepend(count)) or (
            len(self._timed) - index < count and self._append(count)
        ):
            index = self._count_before(offset)
        return self._timed[index : index + count]

    def _reach(self, offset: int) -> int:
        """Moves the buffer to `offset` if it is elsewhere. Returns the number of its lines before `offset`."""
        end = self._lines[-1].end if self._lines else 0
        is_near = bool(self._lines) and self._lines[0].offset <= offset <= end + _NEAR_BYTES
        if is_near and self.is_tail_plain and offset >= self._log.size and offset - end > _FEW_BYTES:
            self._read_tail(offset)
            return len(self._lines)
        while is_near and offset > end and self._append(_READ_LINES):
            end = self._lines[-1].end
        if not is_near:
            self.clear()
            wanted = CONTEXT_LINES + 4
            self._insert_before(self._log.lines_before(offset, wanted))
        if self._is_at_start and len(self._lines) < CONTEXT_LINES:
            self._append(CONTEXT_LINES)
        return self._count_before(offset)

    def _read_tail(self, offset: int) -> None:
        """Moves the buffer to the last lines of a log that has grown by more lines than are needed."""
        self.clear()
        self._insert_before(self._log.lines_before(offset, _TAIL_LINES))
        self._valid = 0

    def _prepend(self, count: int) -> bool:
        if self._is_at_start or not self._lines:
            return False
        wanted = max(count, _READ_LINES, len(self._lines) if self._valid >= len(self._lines) else 0) + CONTEXT_LINES
        self._insert_before(self._log.lines_before(self._lines[0].offset, wanted))
        if len(self._lines) > _MOST_LINES:
            self._drop_from(_MOST_LINES // 2)
        return True

    def _insert_before(self, lines: list[ShownLine]) -> None:
        self._is_at_start = not lines or lines[0].offset == 0
        self._insert(0, lines)

    def _append(self, count: int) -> bool:
        end = self._lines[-1].end if self._lines else 0
        lines = [line for line in self._log.lines_from(end, max(count, _READ_LINES)) if line.end > end]
        if not lines:
            return False
        self._insert(len(self._lines), lines)
        if (excess := len(self._lines) - _MOST_LINES) > 0:
            self._drop_first(excess + _MOST_LINES // 2)
        return True

    def _insert(self, index: int, lines: list[ShownLine]) -> None:
        self._lines[index:index] = lines
        self._written[index:index] = self._times.read(lines)
        self._raw_us[index:index] = [0] * len(lines)
        self._timed[index:index] = [_UNKNOWN] * len(lines)
        if index:
            starts_untimed = self._is_at_start and self.uses_line_times and self._first_own(index) is None
            self._order(0 if starts_untimed else index, len(self._lines))
        else:
            self._order(0, len(lines) + self._valid)
            self._valid = self._find_first_valid()

    def _order(self, start: int, stop: int) -> None:
        """Sets the order times of a range of lines; those before it are known."""
        last_us = self._find_own_before(start) if self.uses_line_times else None
        if last_us is None and self.uses_line_times:
            last_us = next(
                (time.own_us for time in self._written[start : start + SEARCHED_LINES] if time.own_us is not None), None
            )
        highest_us = self._find_highest_us(start - 1)
        for index in range(start, stop):
            own_us, arrival_us, stream = self._written[index]
            if own_us is None and self.uses_line_times:
                own_us = last_us
            elif own_us is not None:
                last_us = own_us
            raw_us = self._raw_us[index] = arrival_us if own_us is None else own_us
            highest_us = raw_us if raw_us >= highest_us else self._find_highest_us(index)
            order_us = max(highest_us, self._get_floor_us(self._lines[index].offset))
            self._timed[index] = TimedLine(self._lines[index], raw_us, own_us is None, order_us, stream)

    def _find_highest_us(self, index: int) -> int:
        """Returns the latest time of a line and those before it."""
        return max(self._raw_us[max(0, index - CONTEXT_LINES) : index + 1], default=0)

    def _find_first_valid(self) -> int:
        """Returns the index of the first line whose order time depends on no line before the buffer."""
        if self._is_at_start:
            return 0
        first = self._first_own(len(self._lines)) if self.uses_line_times else 0
        if first is None:
            return CONTEXT_LINES if len(self._lines) >= SEARCHED_LINES else len(self._lines)
        return min(len(self._lines), first + CONTEXT_LINES)

    def _first_own(self, stop: int) -> int | None:
        return next((index for index in range(stop) if self._written[index].own_us is not None), None)

    def _find_own_before(self, index: int) -> int | None:
        earlier = range(index - 1, max(-1, index - 1 - SEARCHED_LINES), -1)
        return next((own for number in earlier if (own := self._written[number].own_us) is not None), None)

    def _count_before(self, offset: int) -> int:
        return bisect_right(self._lines, offset, key=lambda line: line.end)

    def _drop_from(self, index: int) -> None:
        for values in (self._lines, self._written, self._raw_us, self._timed):
            del values[index:]
        self._valid = min(self._valid, len(self._lines))

    def _drop_first(self, count: int) -> None:
        for values in (self._lines, self._written, self._raw_us, self._timed):
            del values[:count]
        self._valid, self._is_at_start = max(0, self._valid - count), False


_UNKNOWN = TimedLine(ShownLine(0, 0, 0, "", ()), 0, True, 0, STDOUT)
