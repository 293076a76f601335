"""One log of a merged log: its lines with their order times, its label, and whether it is shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.filtered_log import FilteredLog
from flow_core.logs.filtered.gapless_log import GaplessLog
from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_core.logs.merged.clock_offset import ClockOffset
from flow_core.logs.merged.line_buffer import LineBuffer, TimedLine
from flow_core.logs.merged.line_times import LineTimes, read_clock_us
from flow_core.logs.merged.redraw_watch import RedrawWatch
from flow_core.logs.shown.shown_log import ShownLog

_MOST_FLOORS = 1024
_MOST_STEPS = 4096
_PROBED_LINES = 16
_NEAR_BYTES = 2048
_SEARCHED_BYTES = 4096
_TIME_BYTES = 128


class MergedSource:
    """A log of a merged log. `label` is its name for users, such as "rank 3".

    `has_writer_times` is whether its sidecar records when the bytes were written; otherwise it records when they
    arrived on this machine. `clock` is the offset of the writer's clock; None if it is this machine's, or unknown.
    """

    def __init__(
        self,
        label: str,
        log: ShownLog | GaplessLog,
        *,
        has_writer_times: bool = True,
        clock: ClockOffset | None = None,
        now_us: Callable[[], int] = read_clock_us,
    ) -> None:
        self.label = label
        self.is_shown = True
        self.has_caught_up = False
        """Whether its last line was once among the newest of all logs."""
        self.size = 0
        self.insertions = 0
        """Grows when a filter has found lines between others."""
        self._log = log
        self._stream: int | None = None
        self._expands_redraws = False
        self._generation = self._earlier_generations = 0
        self._times = LineTimes(log.source.sidecar, has_writer_times=has_writer_times, now_us=now_us)
        self._redraws = RedrawWatch(log)
        self._buffer = LineBuffer(log, self._times, self._get_floor_us)
        self._floor_offsets: list[int] = []
        self._floors_us: list[int] = []
        self._probed_size = 0
        self.clock = clock

    @property
    def clock(self) -> ClockOffset | None:
        return self._clock

    @clock.setter
    def clock(self, clock: ClockOffset | None) -> None:
        """Sets the offset of the writer's clock. Lines may get another place in the merged log."""
        self._clock = clock
        self._times.clock_offset_us = 0 if clock is None else clock.offset_us
        self._buffer.clear()

    @property
    def path(self) -> Path:
        return self._log.path

    @property
    def generation(self) -> int:
        """Grows when the log was replaced or cut short."""
        return self._earlier_generations + self._log.source.reader.generation

    @property
    def files(self) -> SpoolFiles:
        return self._log.files

    @property
    def filtered(self) -> FilteredLog | None:
        """The log with the filters, whose scan finds its lines; None without filters."""
        return self._log.filtered if isinstance(self._log, GaplessLog) else None

    def refresh(self) -> bool:
        """Checks the log again; returns whether it has changed."""
        if not self._log.refresh():
            return False
        self._take_changes()
        if self.filtered is not None and self.insertions != self.filtered.insertions:
            self.insertions = self.filtered.insertions
            self._buffer.clear()
        return True

    def choose_lines(
        self, stream: int | None, *, expands_redraws: bool = False, filters: LogFilters = NO_FILTERS
    ) -> None:
        """Shows one stream alone, or both (None), and the lines that pass the filters.

        With `expands_redraws`, each redraw is a line of its own.
        """
        generation = self.generation
        self._stream, self._expands_redraws = stream, expands_redraws
        self._log.close()
        self._log = log = self._open(filters)
        self.insertions = 0
        has_changed = self.size > 0 and log.refresh()
        self._earlier_generations = generation - log.source.reader.generation
        self._times.sidecar = log.source.sidecar
        self._redraws = RedrawWatch(log)
        uses_line_times = self._buffer.uses_line_times
        self._buffer = LineBuffer(log, self._times, self._get_floor_us)
        self._buffer.uses_line_times = uses_line_times
        if has_changed:
            self._take_changes()

    def copy(self) -> MergedSource:
        """Returns a source of the same log with the same order of lines, whose files are not open yet."""
        log, times = self._log, self._times
        log = log.copy() if isinstance(log, GaplessLog) else self._open(NO_FILTERS)
        copied = MergedSource(
            self.label, log, has_writer_times=times.has_writer_times, clock=self.clock, now_us=times.now_us
        )
        copied.is_shown, copied.has_caught_up, copied.size = self.is_shown, self.has_caught_up, self.size
        copied._times.arrivals = times.arrivals.copy()
        copied._floor_offsets, copied._floors_us = self._floor_offsets[:], self._floors_us[:]
        copied._buffer.uses_line_times = self._buffer.uses_line_times
        copied._probed_size = self._probed_size
        copied._generation = self.generation
        copied._earlier_generations = self.generation - 1  # opening the file is the next one
        return copied

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self._log.close()

    def list_before(self, offset: int, count: int) -> list[TimedLine]:
        """Returns the last `count` lines that end at or before `offset`, in order."""
        return self._buffer.list_before(offset, count)

    def list_from(self, offset: int, count: int) -> list[TimedLine]:
        """Returns the first `count` lines that end after `offset`, in order."""
        return self._buffer.list_from(offset, count)

    def find_order_us(self, offset: int) -> int:
        """Returns the order time of the line that shows the byte at `offset`; 0 after the end."""
        lines = self.list_from(offset, 1)
        return lines[0].order_us if lines else 0

    def find_new_times_us(self, offset: int) -> tuple[int, int]:
        """Returns the time of the first line from `offset` on, as far as it is known, and that of the last line.

        The log must not end at `offset`.
        """
        if self._times.has_writer_times and self._times.has_records:
            first_us, last_us = self._times.list_recorded_us((offset, self.size - 1))
            return first_us, last_us
        last = self.list_before(self.size, 1)
        last_us = last[0].order_us if last else 0
        if not self._buffer.uses_line_times:
            return last_us, last_us
        new = self._times.read([line for line in self._log.lines_from(offset, 4) if line.offset >= offset])
        first_us = next((written.own_us for written in new if written.own_us is not None), last_us)
        return first_us, last_us

    def set_floor(self, offset: int, time_us: int) -> None:
        """Orders lines from `offset` on as if they were written at `time_us` or later."""
        if self._floors_us and self._floors_us[-1] >= time_us:
            return
        self._floor_offsets.append(offset)
        self._floors_us.append(time_us)
        if len(self._floors_us) > _MOST_FLOORS:
            del self._floor_offsets[1 : _MOST_FLOORS // 2 : 2], self._floors_us[1 : _MOST_FLOORS // 2 : 2]

    def clear_floors(self) -> None:
        """Orders all lines by their own times again."""
        self._floor_offsets.clear()
        self._floors_us.clear()
        self._buffer.clear()

    def find_offset(self, time_us: int) -> int:
        """Returns the start of the first line whose order time is `time_us` or later; the end if there is none."""
        offset = self.estimate_offset(time_us)
        for _ in range(_MOST_STEPS):
            if not (before := self.list_before(offset, 1)) or before[0].order_us < time_us:
                break
            offset = before[0].line.offset
        for _ in range(_MOST_STEPS):
            if not (following := self.list_from(offset, 1)) or following[0].order_us >= time_us:
                break
            offset = following[0].line.end
        return offset

    def estimate_offset(self, time_us: int) -> int:
        """Returns about where the lines from `time_us` on begin. Reads few bytes."""
        if self._buffer.uses_line_times or not (self._times.has_writer_times or self._times.has_records):
            offset = self._search_lines(time_us)
        else:
            found = self._times.find_offset(time_us)
            offset = self.size if found is None else min(found, self.size)
        floors = zip(self._floor_offsets, self._floors_us, strict=True)
        return min([offset, *(start for start, floor_us in floors if floor_us >= time_us)])

    def _open(self, filters: LogFilters) -> ShownLog | GaplessLog:
        if not filters:
            return ShownLog(self.files, self._stream, expands_redraws=self._expands_redraws)
        return GaplessLog(FilteredLog(self.files, filters, self._stream, expands_redraws=self._expands_redraws))

    def _take_changes(self) -> None:
        if self._generation != self.generation or self._log.size < self.size:
            self._begin_again()
        old_size, self.size = self.size, self._log.size
        times_changed_from = self._times.note_growth(self._log.path, old_size, self.size)
        if old_size:
            self._redraws.check(self.size)
        self._buffer.is_tail_plain = self._redraws.is_quiet and self._times.is_sorted_at_end
        self._buffer.drop_changed_lines(old_size, times_changed_from, is_only_last=self._redraws.is_quiet)
        self._probe()

    def _search_lines(self, time_us: int) -> int:
        """Searches the times at the beginnings of lines by halves."""
        low, high = 0, self.size
        while high - low > _NEAR_BYTES:
            middle = (low + high) // 2
            found_us = self._find_time_after(middle)
            if found_us is None or found_us >= time_us:
                high = middle
            else:
                low = middle
        return low

    def _find_time_after(self, offset: int) -> int | None:
        """Returns the time of the first line that begins with one in the next bytes."""
        lines = self._log.source.reader.read(offset, _SEARCHED_BYTES).split(b"\n")[1:]
        arrival_us = self._times.find_arrival_us(offset)
        texts = (line[:_TIME_BYTES].decode("utf-8", "replace") for line in lines)
        return next((us for text in texts if (us := self._times.find_own_us(text, arrival_us)) is not None), None)

    def _probe(self) -> None:
        """Finds out whether the lines begin with times, when the log has doubled since the last time."""
        if self.size < 2 * self._probed_size:
            return
        self._probed_size = max(1, self.size)
        uses = not (self._times.has_writer_times and self._times.has_records) and self._lines_begin_with_times()
        if uses != self._buffer.uses_line_times:
            self._buffer.uses_line_times = uses
            self._buffer.clear()

    def _lines_begin_with_times(self) -> bool:
        lines = [*self._log.lines_from(0, _PROBED_LINES), *self._log.lines_before(self.size, _PROBED_LINES)]
        return any(written.own_us is not None for written in self._times.read(lines))

    def _begin_again(self) -> None:
        self._generation, self.size = self.generation, 0
        self._redraws.clear()
        self._floor_offsets.clear()
        self._floors_us.clear()
        self._times.clear()
        self._buffer.clear()
        self._probed_size = 0

    def _get_floor_us(self, offset: int) -> int:
        if not self._floors_us:
            return 0
        number = bisect_right(self._floor_offsets, offset) - 1
        return self._floors_us[number] if number >= 0 else 0
