"""Finds the lines of a log that pass filters: first at its end, then backwards, and then in what is new.

The lines before a starting point are written in descending order to one file, and those from it on to another in
ascending order. Lines that later output can still change are sent with each message, because a file can't take back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flow_core.logs.filtered.context_lines import ContextLines
from flow_core.logs.filtered.line_block import LineBlock, ScreenLines
from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.filtered.log_ranges import LogRanges
from flow_core.logs.filtered.offset_writer import OffsetWriter, count_kept
from flow_core.logs.shown.line import ShownLine

_NEAR = 256 * 1024
_LINES = 2000
_END_LINES = 300
"""More than the rows of a screen, which are the lines that can change."""
_FARTHEST = 16 << 20
"""Where this many bytes are hidden, the lines around them are not seen as neighbours at the starting point."""
_SLICE_S = 0.05
_LONGEST_S = 0.5
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class _LogEnd:
    """The lines from `start` on up to the end of the log. From `changing` on, they can still change."""

    start: int
    changing: int
    lines: Sequence[ShownLine]


class FilterScan:
    """One scan of a log that may grow. It first finds the lines near the offset `start_near` (None: at the end)."""

    def __init__(
        self,
        ranges: LogRanges,
        selector: LineSelector,
        backward: OffsetWriter,
        forward: OffsetWriter,
        start_near: int | None,
    ) -> None:
        self._ranges = ranges
        self._selector = selector
        self._backward, self._forward = backward, forward
        self._start_near = start_near
        self._before, self._after = ContextLines(selector.context), ContextLines(selector.context)
        self._generation = -1
        self._low = self._high = 0
        self._end = _LogEnd(0, 0, ())
        self._tail: list[int] = []
        self._gap: Iterator[LineBlock] | None = None
        self._gap_end = 0

    def catch_up(self, report: Report) -> dict[str, Any]:
        """Scans up to the end of the log. Calls `report` after each step of about 0.05 s; returns the last report.

        `is_replaced` is true if the log is not the one that was scanned before: a new scan must begin.
        """
        while True:
            self._ranges.refresh()
            if self._generation not in (-1, self._ranges.generation) or self._ranges.size < self._high:
                return {"is_replaced": True}
            if self._generation < 0 and self._ranges.size:
                self._begin()
            self._scan_end()
            if self._low <= 0 and self._high >= self._end.changing:
                return self._make_report()
            report(self._make_report())
            self._scan_gap()
            if self._low > 0:
                self._scan_back()

    def _begin(self) -> None:
        """Chooses the starting point: no line before it can change, with those that are context of others."""
        self._generation = self._ranges.generation
        context, start = self._selector.context, self._read_last(_END_LINES).changing
        if context and (visible := self._list_visible_before(start)[0]):
            start = visible[0]
        if self._start_near is not None:
            start = min(start, self._start_near)
        self._low = self._high = start
        if context:  # each pass must know the lines that the other one takes first
            self._after.add(*self._list_visible_before(start))
            self._after.forget_pending()
            visible, kept = self._list_visible_after(start)
            self._before.add(visible[::-1], kept)
            self._before.forget_pending()

    def _list_visible_before(self, offset: int) -> tuple[list[int], set[int]]:
        """Returns the last lines before `offset` that aren't hidden, as many as the context has, and the kept ones."""
        count, low = self._selector.context, offset
        visible: list[int] = []
        kept: set[int] = set()
        while low > max(0, offset - _FARTHEST) and len(visible) < count:
            low, blocks = self._ranges.read_before(low)
            for block in reversed(blocks):
                visible[:0] = self._selector.list_visible(block)
                kept.update(self._selector.select(block))
        self._ranges.restart_windows()
        return visible[-count:], kept

    def _list_visible_after(self, start: int) -> tuple[list[int], set[int]]:
        """Returns the first lines from `start` on as `_list_visible_before` does."""
        count = self._selector.context
        visible: list[int] = []
        kept: set[int] = set()
        for block in self._ranges.iter_range(start, min(start + _FARTHEST, self._ranges.size)):
            visible += self._selector.list_visible(block)
            kept.update(self._selector.select(block))
            if len(visible) >= count:
                break
        return visible[:count], kept

    def _scan_end(self) -> None:
        """Reads the end of the log: takes what became final, and selects what can change."""
        is_near = self._ranges.size - self._high <= _NEAR
        end = self._end = self._read_from(self._high) if is_near else self._read_last(_END_LINES)
        final = [line for line in end.lines if line.offset < end.changing]
        if is_near and self._gap is None:
            self._forward.write(self._add(self._after, ScreenLines(final)))
            self._high = end.changing
        changing = ScreenLines(end.lines[len(final) :])
        context = self._after.copy() if self._high >= end.changing else ContextLines(self._selector.context)
        self._tail = self._add(context, changing)

    def _scan_gap(self) -> None:
        """Takes lines between the last one that was taken and the end, for at most 0.05 s or one block."""
        deadline = time.monotonic() + _SLICE_S
        if self._gap is None and self._high < self._end.changing:
            self._gap, self._gap_end = self._ranges.iter_range(self._high, self._end.changing), self._end.changing
        while self._gap is not None:
            block = next(self._gap, None)
            if block is None:
                self._high, self._gap = self._gap_end, None
                return
            self._forward.write(self._add(self._after, block))
            if block.starts:
                self._high = block.starts[-1] + 1
            if time.monotonic() >= deadline:
                return

    def _scan_back(self) -> None:
        """Takes lines before those that were taken, for about 0.05 s."""
        start = time.monotonic()
        while self._low > 0 and (spent_s := time.monotonic() - start) < _SLICE_S:
            self._low, blocks = self._ranges.read_before(self._low)
            for block in reversed(blocks):
                self._backward.write(self._add(self._before, block, is_backward=True))
            if time.monotonic() - start - spent_s > _LONGEST_S:
                self._ranges.restart_windows()

    def _add(self, context: ContextLines, block: LineBlock, *, is_backward: bool = False) -> list[int]:
        kept = self._selector.select(block)
        if not self._selector.context:
            codes = [2 * offset for offset in kept]
            return codes[::-1] if is_backward else codes
        lines = self._selector.list_visible(block)
        return context.add(lines[::-1] if is_backward else lines, set(kept))

    def _read_last(self, count: int) -> _LogEnd:
        return _to_end(self._ranges.log.lines_before(self._ranges.size, count), 0)

    def _read_from(self, start: int) -> _LogEnd:
        lines: list[ShownLine] = []
        position = start
        while position < self._ranges.size:
            found = self._ranges.log.lines_from(position, _LINES)
            more = [line for line in found if position <= line.offset < self._ranges.size]
            if not more:
                break
            lines += more
            position = max(more[-1].end, more[-1].offset + 1)
        return _to_end(lines, start)

    def _make_report(self) -> dict[str, Any]:
        changing = self._end.changing
        scanned = max(0, self._high - self._low) + max(0, self._ranges.size - max(changing, self._high))
        tail = [code for code in self._tail if code // 2 >= self._high or self._selector.context]
        return {
            "backward": self._backward.count,
            "forward": self._forward.count,
            "tail": tail,
            "kept": self._backward.kept + self._forward.kept + count_kept(tail),
            "scanned": scanned,
            "changing": min(changing, self._high),
            "total": self._ranges.size,
        }


def _to_end(lines: Sequence[ShownLine], start: int) -> _LogEnd:
    """Describes the end of a log; without lines, nothing is shown from `start` on."""
    if not lines:
        return _LogEnd(start, start, ())
    changing = next((line.offset for line in lines if not line.is_final), lines[-1].end)
    return _LogEnd(lines[0].offset, changing, lines)
