"""A merged log with one offset for each line, as a single log has.

The offset of a line is the sum of the offsets in all shown logs before it. It grows from line to line, its end is the
offset of the next line, and the size is the sum of the sizes. Offsets change when a log is switched on or off.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Generator, Iterator

from flow_core.logs.export import LogBlock
from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_core.logs.merged.merged_export import read_merged_blocks
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.position import MergedLine, MergedPosition
from flow_core.logs.shown.line import ShownLine

_MOST_KNOWN = 2048
_PAGE_LINES = 64
_MOST_PAGES = 24
_NEAR_BYTES = 64 * 1024
_MOST_STEPS = 24


class MergedLines:
    """The lines of a merged log, with the calls of a `ShownLog`. It remembers where the last lines that it gave are.

    An offset that is not among them, as one from a scroll bar, gives a line near it.
    """

    def __init__(self, merged: MergedLog) -> None:
        self.merged = merged
        self._known: dict[int, MergedLine] = {}
        self._offsets: list[int] = []
        self._current: dict[int, ShownLine] = {}
        """The lines that were read since the last change, by their offsets."""
        self._starts: dict[int, int] = {}
        """The offset of each of them by its end."""
        self._generations = self._list_generations()

    @property
    def size(self) -> int:
        """The sum of the sizes of the shown logs when they were last checked."""
        return sum(source.size for source in self.merged.sources if source.is_shown)

    @property
    def insertions(self) -> int:
        """Changes when filters have found lines between others. Forget the lines then."""
        return sum(source.insertions for source in self.merged.sources if source.is_shown)

    def refresh(self) -> bool:
        """Checks the files again; returns whether they have changed."""
        return self._forget_changed(self.merged.refresh())

    def refresh_in_steps(self, *, reads_end: bool = False) -> Generator[None, None, bool]:
        """Checks the files as `refresh` does, some of them in each step, and returns whether they have changed.

        With `reads_end`, also reads the last lines.
        """
        steps = self.merged.refresh_in_steps(reads_end=reads_end)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return self._forget_changed(bool(end.value))
            self._forget_changed(True)
            yield

    def close(self) -> None:
        """Releases the files. Calling it again is safe."""
        self.merged.close()
        self.forget_lines()

    def show(self, source: int, *, is_shown: bool, top: int = 0) -> int:
        """Switches a log on or off. Returns the new offset of the position that was `top` before."""
        position = self.find_position(top)
        self.merged.show(source, is_shown=is_shown)
        return self.find_again(position)

    def choose_lines(
        self, stream: int | None, *, expands_redraws: bool = False, filters: LogFilters = NO_FILTERS
    ) -> None:
        """Chooses what is shown of all logs, as `MergedSource.choose_lines` does. Offsets get another meaning."""
        self.merged.choose_lines(stream, expands_redraws=expands_redraws, filters=filters)
        self.forget_lines()

    def order_by_time(self) -> None:
        """Orders lines that arrived late by their own times again. Offsets get another meaning."""
        self.merged.order_by_time()
        self.forget_lines()

    def forget_lines(self) -> None:
        """Forgets where lines are, after their order has changed."""
        self._known.clear()
        self._offsets.clear()
        self._forget_current()

    def get_details(self, offset: int) -> MergedLine | None:
        """Returns the log and the time of the line at `offset`, which this object has given; None if it is too old."""
        return self._known.get(offset)

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains `offset`, or one near it; None at the end."""
        lines = self.lines_from(offset, 1)
        return lines[0] if lines else None

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them the line at `offset`."""
        size = self.size
        if not 0 <= offset < size or count <= 0:
            return []
        lines: list[ShownLine] = []
        while len(lines) < count and (line := self._current.get(lines[-1].end if lines else offset)) is not None:
            lines.append(line)
        if len(lines) == count or (lines and lines[-1].end >= size):
            return lines
        return self._remember(self.merged.lines_from(self.find_position(offset), count))

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""
        if offset <= 0 or count <= 0:
            return []
        start, lines = min(offset, self.size), list[ShownLine]()
        while len(lines) < count and start > 0 and (found := self._starts.get(start)) is not None:
            lines.append(self._current[found])
            start = found
        if len(lines) == count or (lines and start <= 0):
            return lines[::-1]
        # One more: a view asks for the line above the first one too.
        return self._remember(self.merged.lines_before(self.find_position(offset), count + 1))[-count:]

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        """Yields the lines in a range of offsets as text, each after the label of its log. May run in a thread."""
        return read_merged_blocks(self.merged.copy(), self.find_position(start), self.find_position(end))

    def find_offset(self, time_us: int) -> int | None:
        """Returns the offset of the first line whose time is `time_us` or later; None if there is none."""
        lines = self._remember(self.merged.lines_from(self.merged.find_position(time_us), 1))
        return lines[0].offset if lines else None

    def find_offset_of(self, source: int, offset: int) -> int | None:
        """Returns the offset of the line of a log that shows the byte at `offset` of that log."""
        position = self.merged.find_position_of(source, offset)
        lines = [] if position is None else self._remember(self.merged.lines_from(position, 1))
        return lines[0].offset if lines else None

    def find_again(self, position: MergedPosition) -> int:
        """Returns the offset of a position, after offsets have got another meaning."""
        self.forget_lines()
        lines = self._remember(self.merged.lines_from(position, 1))
        return lines[0].offset if lines else self.size

    def find_position(self, offset: int) -> MergedPosition:
        """Returns the position before the line that contains `offset`."""
        if offset <= 0:
            return self.merged.start
        if offset >= self.size:
            return self.merged.end
        if (known := self._known.get(offset)) is not None:
            return known.position
        number = bisect_right(self._offsets, offset) - 1
        if number >= 0 and offset - self._offsets[number] < _NEAR_BYTES:
            return self._walk_to(offset, self._known[self._offsets[number]].position)
        return self._walk_to(offset, self._search_times(offset))

    def _walk_to(self, offset: int, position: MergedPosition) -> MergedPosition:
        """Returns the position of the line that contains `offset`, from one near it; one nearer if that is too far."""
        for _ in range(_MOST_PAGES):
            if position.bytes_before > offset:
                lines = self.merged.lines_before(position, _PAGE_LINES)
                position = lines[0].position if lines else self.merged.start
            elif lines := self.merged.lines_from(position, _PAGE_LINES):
                if (found := next((line for line in lines if offset < line.end.bytes_before), None)) is not None:
                    return found.position
                position = lines[-1].end
        return position

    def _search_times(self, offset: int) -> MergedPosition:
        """Returns a position near `offset`: the times of the lines are divided in half again and again."""
        first, last = self.merged.lines_from(self.merged.start, 1), self.merged.lines_before(self.merged.end, 1)
        if not first or not last:
            return self.merged.start
        low_us, high_us = first[0].order_us, last[0].order_us
        for _ in range(_MOST_STEPS):
            middle_us = (low_us + high_us) // 2
            estimate = self.merged.estimate_bytes_before(middle_us)
            if middle_us == low_us or abs(estimate - offset) < _NEAR_BYTES:
                break
            low_us, high_us = (middle_us, high_us) if estimate < offset else (low_us, middle_us)
        return self.merged.find_position(middle_us)

    def _remember(self, lines: list[MergedLine]) -> list[ShownLine]:
        found = []
        for merged_line in lines:
            offset, line = merged_line.position.bytes_before, merged_line.line
            if self._known.pop(offset, None) is None:
                insort(self._offsets, offset)
            self._known[offset] = merged_line
            end = offset + line.end - merged_line.position.offsets[merged_line.source]
            found.append(line._replace(offset=offset, end=end, written_at=offset))
            self._current[offset], self._starts[end] = found[-1], offset
        if len(self._known) > _MOST_KNOWN:
            self._known = dict(list(self._known.items())[-_MOST_KNOWN // 2 :])
            self._offsets = sorted(self._known)
            self._forget_current()
        return found

    def _forget_changed(self, has_changed: bool) -> bool:
        """Forgets lines that may have changed. Returns `has_changed`."""
        generations, self._generations = self._generations, self._list_generations()
        if generations != self._generations:
            self.forget_lines()
        elif has_changed:
            self._forget_current()
        return has_changed

    def _forget_current(self) -> None:
        self._current.clear()
        self._starts.clear()

    def _list_generations(self) -> list[int]:
        return [source.generation for source in self.merged.sources]
