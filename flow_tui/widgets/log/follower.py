"""Follows the file of an open log: its new bytes, its completion and its number of lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from functools import partial
from typing import Any

from textual.widget import Widget

from flow_core.errors import FlowError
from flow_core.logs.file_watcher import POLL_S, FileWatcher
from flow_core.logs.follow import CompletionCheck, IsComplete
from flow_core.logs.line_counter import LineCounter
from flow_tui.widgets.log.painter import LinePainter
from flow_tui.widgets.workers import start_worker

_COUNT_EVERY_S = 0.5
_EXACT_AFTER_S = 0.3
_REST = 7
"""Merged logs can take long to draw. The follower rests so many times as long as a drawing took."""
_KEYS_S = 0.004
"""The time for keys between two steps."""
_GROUPS = ("follow", "completion", "count", "exact")


class LogFollower:
    """A follower of one log at a time. It runs its workers in `view`, and pauses them while the view is hidden.

    It calls `redraw` for new bytes, and `counted` with the number of lines and whether that is final. `is_at_end` tells
    whether the view shows the last lines.
    """

    def __init__(
        self,
        view: Widget,
        *,
        redraw: Callable[[], None],
        counted: Callable[[int, bool], None],
        is_at_end: Callable[[], bool],
    ) -> None:
        self.is_over = False
        """True once the log is complete."""
        self.lines: LineCounter | None = None
        """The lines that were counted so far in the log that was opened last; None for merged logs."""
        self._view = view
        self._redraw = redraw
        self._counted = counted
        self._is_at_end = is_at_end
        self._is_visible = asyncio.Event()
        self._may_have_changed = True
        self._is_making_exact = False

    def start(self, painter: LinePainter, is_complete: IsComplete | None) -> None:
        """Follows the log of this painter. Without `is_complete`, the log never ends."""
        self.lines = LineCounter(painter.paths[0]) if len(painter.paths) == 1 else None
        self._start(partial(self._follow, painter), "follow")
        if self.lines is not None:
            self._start(partial(self._count, painter, self.lines), "count")
        if is_complete is not None:
            self._start(partial(self._wait_for_completion, CompletionCheck(is_complete)), "completion")

    def stop(self) -> None:
        """Stops following the log. `start` may follow another one afterwards."""
        for group in _GROUPS:
            self._view.workers.cancel_group(self._view, group)
        self.is_over = False

    def note_drawn(self, painter: LinePainter) -> None:
        """Must be called after each drawing: the lines in view are made exact a moment later if they are not."""
        if not self._is_making_exact and not painter.is_exact:
            self._is_making_exact = True
            self._start(partial(self._make_exact, painter), "exact")

    def set_in_sight(self, is_in_sight: bool) -> None:
        if is_in_sight:
            self._is_visible.set()
        else:
            self._is_visible.clear()

    async def _follow(self, painter: LinePainter) -> None:
        with closing(FileWatcher(*painter.paths)) as watch:
            while not self.is_over:
                await self._is_visible.wait()
                has_changed, used_s = await self._refresh(painter)
                if has_changed:
                    self._may_have_changed = True
                    began = time.thread_time()
                    self._redraw()
                    used_s += time.thread_time() - began
                    await asyncio.sleep(max(POLL_S, _REST * used_s))
                await watch.wait_for_change()
        painter.refresh()
        self._redraw()

    async def _refresh(self, painter: LinePainter) -> tuple[bool, float]:
        """Checks the files, and lets keys come first between the steps. Returns whether they changed, and the CPU time.

        The time is in seconds.
        """
        steps, used_s = painter.refresh_in_steps(reads_end=self._is_at_end()), 0.0
        while True:
            began = time.thread_time()
            try:
                next(steps)
            except StopIteration as end:
                return bool(end.value), used_s + time.thread_time() - began
            used_s += time.thread_time() - began
            await asyncio.sleep(_KEYS_S)

    async def _make_exact(self, painter: LinePainter) -> None:
        """Makes the lines in view exact once the log does not grow, so that a flood of output costs nothing more."""
        try:
            size = -1
            while painter.log.size != size:
                size = painter.log.size
                await asyncio.sleep(_EXACT_AFTER_S)
                await self._is_visible.wait()
            await painter.make_exact()
        finally:
            self._is_making_exact = False
        self._redraw()

    async def _wait_for_completion(self, completion: CompletionCheck) -> None:
        try:
            await completion.wait()
        except FlowError:
            pass  # the provider no longer has the log: it counts as complete
        self.is_over = True
        self._may_have_changed = True

    async def _count(self, painter: LinePainter, index: LineCounter) -> None:
        reported = -1
        while True:
            await self._is_visible.wait()
            self._may_have_changed = False
            is_final = self.is_over
            await index.catch_up()
            if painter.correct_colours(index):
                self._redraw()
            if index.line_count != reported or is_final:
                reported = index.line_count
                self._counted(reported, is_final)
            if is_final:
                return
            await asyncio.sleep(_COUNT_EVERY_S)
            while not self._may_have_changed and painter.log.size == index.scanned:
                await asyncio.sleep(_COUNT_EVERY_S)  # a count takes a thread, a look at the size does not
                await self._is_visible.wait()

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        start_worker(self._view, work, group=group, exclusive=True)
