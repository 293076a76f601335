"""Several logs as one sequence of lines, ordered by time. Reads no log as a whole and uses bounded memory.

Lines are ordered by their order time (see `line_buffer`), then by the order of the logs, then by their place in their
log. A position consists of an offset in each log. So no line is lost or comes twice in any direction, whatever the
times are. Reading up and down gives the same order, except where the times of a log go back for more than
`CONTEXT_LINES` lines.

A line that arrives late doesn't move lines that were known before: if its time is more than `LATE_US` before the newest
line of any log, it is ordered after that line. `order_by_time` gives up this order of arrival. It does not apply to a
log that is still fetched from another machine: one that has never reached the newest line, and that is new or grows by
`FETCHED_BYTES` at once. A line that still changes is ordered by its last change, and so moves down.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_core.logs.merged.line_buffer import TimedLine
from flow_core.logs.merged.line_times import read_clock_us
from flow_core.logs.merged.merge import CHUNK_LINES, merge_backwards, merge_forwards
from flow_core.logs.merged.position import UNKNOWN, MergedLine, MergedPosition
from flow_core.logs.merged.source import MergedSource

LATE_US = 2_000_000
FETCHED_BYTES = 32 * 1024
_STEP_LOGS = 10


class MergedLog:
    """A merged log of these sources, which it owns. Earlier sources come first where times are equal."""

    def __init__(self, sources: Sequence[MergedSource], *, now_us: Callable[[], int] = read_clock_us) -> None:
        self.sources = tuple(sources)
        self._now_us = now_us
        self._newest_us = 0

    def refresh(self) -> bool:
        """Checks the shown logs again; returns whether one has changed."""
        steps = self.refresh_in_steps()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return bool(end.value)

    def refresh_in_steps(self, *, reads_end: bool = False) -> Generator[None, None, bool]:
        """Checks the shown logs as `refresh` does, some of them in each step, and returns whether one has changed.

        With `reads_end`, also reads the last lines of each log that has changed, so that they are known afterwards.
        """
        last_us: dict[MergedSource, int] = {}
        for number, source in enumerate(self._shown().values(), start=1):
            old_size, generation = source.size, source.generation
            if source.refresh():
                last_us[source] = self._order_new_lines(source, old_size if source.generation == generation else 0)
                if reads_end:
                    source.list_before(source.size, CHUNK_LINES)
            if number % _STEP_LOGS == 0:
                yield
        self._newest_us = max([self._newest_us, *last_us.values()])
        for source, time_us in last_us.items():
            source.has_caught_up |= 0 < self._newest_us <= time_us + LATE_US
        return bool(last_us)

    def close(self) -> None:
        """Closes all logs. Calling it again is safe."""
        for source in self.sources:
            source.close()

    def open_files(self) -> None:
        """Opens the files of a copy. Lines that it lacks are ordered by their own times."""
        for source in self.sources:
            source.refresh()

    def copy(self) -> MergedLog:
        """Returns another merged log of the same logs, with the same order, for another thread. It opens no files."""
        copied = MergedLog([source.copy() for source in self.sources], now_us=self._now_us)
        copied._newest_us = self._newest_us
        return copied

    def show(self, source: int, *, is_shown: bool) -> None:
        """Switches a log on or off. Positions stay valid."""
        self.sources[source].is_shown = is_shown
        if is_shown:
            self.sources[source].refresh()

    def choose_lines(
        self, stream: int | None, *, expands_redraws: bool = False, filters: LogFilters = NO_FILTERS
    ) -> None:
        """Chooses what is shown of all logs, as `MergedSource.choose_lines` does. Positions stay valid."""
        self.refresh()
        for source in self.sources:
            source.choose_lines(stream, expands_redraws=expands_redraws, filters=filters)

    def order_by_time(self) -> None:
        """Orders lines that arrived late by their own times again."""
        for source in self.sources:
            source.clear_floors()
        self._newest_us = 0

    @property
    def start(self) -> MergedPosition:
        return self._make_position(0, [0] * len(self.sources))

    @property
    def end(self) -> MergedPosition:
        """The position after all lines that are known now."""
        offsets = [source.size if source.is_shown else UNKNOWN for source in self.sources]
        return self._make_position(self._newest_us, offsets)

    def find_position(self, time_us: int) -> MergedPosition:
        """Returns the position before the first line whose order time is `time_us` or later."""
        offsets = [source.find_offset(time_us) if source.is_shown else UNKNOWN for source in self.sources]
        return self._make_position(time_us, offsets)

    def estimate_bytes_before(self, time_us: int) -> int:
        """Returns about how many bytes of the shown logs were written before `time_us`. Much faster than a position."""
        return sum(source.estimate_offset(time_us) for source in self._shown().values())

    def find_position_of(self, source: int, offset: int) -> MergedPosition | None:
        """Returns the position before the line of a log that shows the byte at `offset`; None after its end."""
        if not (found := self.sources[source].list_from(offset, 1)):
            return None
        # Equal times of earlier logs come before this line, those of later logs after it.
        offsets = [
            other.find_offset(found[0].order_us + (number < source)) if other.is_shown else UNKNOWN
            for number, other in enumerate(self.sources)
        ]
        offsets[source] = found[0].line.offset
        return self._make_position(found[0].order_us, offsets)

    def lines_from(self, position: MergedPosition, count: int) -> list[MergedLine]:
        """Returns the next `count` lines of the shown logs, in order; fewer only at the end."""
        offsets, generations = self._locate(position), self._list_generations()
        found: list[MergedLine] = []
        for number, timed in merge_forwards(self._shown(), offsets, count):
            found.append(_make_line(number, timed, offsets, generations))
            offsets[number] = timed.line.end
        return found

    def lines_before(self, position: MergedPosition, count: int) -> list[MergedLine]:
        """Returns the previous `count` lines of the shown logs, in order; fewer only at the start."""
        offsets, generations = self._locate(position), self._list_generations()
        found: list[MergedLine] = []
        for number, timed in merge_backwards(self._shown(), offsets, count):
            offsets[number] = timed.line.offset
            found.append(_make_line(number, timed, offsets, generations))
        return found[::-1]

    def _shown(self) -> dict[int, MergedSource]:
        return {number: source for number, source in enumerate(self.sources) if source.is_shown}

    def _order_new_lines(self, source: MergedSource, known_size: int) -> int:
        """Orders lines that arrived late after all lines that were known before. Returns the newest order time."""
        if source.size <= known_size:
            return 0
        first_us, last_us = source.find_new_times_us(known_size)
        is_fetched = known_size == 0 or source.size - known_size >= FETCHED_BYTES
        if first_us < self._newest_us - LATE_US and (source.has_caught_up or not is_fetched):
            source.set_floor(known_size, self._newest_us + 1)
            last_us = max(last_us, self._newest_us + 1)
        return min(last_us, self._now_us())

    def _locate(self, position: MergedPosition) -> list[int]:
        """Returns the offset of each log at a position."""
        offsets = list(position.offsets)
        for number, source in enumerate(self.sources):
            if not source.is_shown:
                offsets[number] = UNKNOWN
            elif position.generations[number] != source.generation:
                offsets[number] = 0
            elif offsets[number] == UNKNOWN:
                offsets[number] = source.find_offset(position.time_us)
        return offsets

    def _make_position(self, time_us: int, offsets: list[int]) -> MergedPosition:
        return MergedPosition(time_us, tuple(offsets), self._list_generations())

    def _list_generations(self) -> tuple[int, ...]:
        return tuple(source.generation for source in self.sources)


def _make_line(number: int, timed: TimedLine, offsets: list[int], generations: tuple[int, ...]) -> MergedLine:
    position = MergedPosition(timed.order_us, tuple(offsets), generations)
    return MergedLine(number, *timed, position)
