"""The filters of a log view: finds the lines that pass them in the background, and says how many there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from textual.widget import Widget

from flow_core.errors import FlowError
from flow_core.logs.filtered.filtered_log import FilteredLog, FilterProgress
from flow_tui.widgets.log.painter import LinePainter
from flow_tui.widgets.workers import start_worker

_GROUP = "filter"
_REDRAW_S = 0.05
"""The time between two drawings for each log that is scanned."""


class LogViewFilter:
    """The scans of the filtered logs in view, each in a worker of `view`.

    It calls `redraw` when lines were found, `settled` once all lines were, and `report` with the progress and with what
    ended a scan, if anything.
    """

    def __init__(
        self,
        view: Widget,
        *,
        redraw: Callable[[], None],
        settled: Callable[[], None],
        report: Callable[[FilterProgress, str], None],
    ) -> None:
        self._view = view
        self._redraw = redraw
        self._settled = settled
        self._report = report
        self._painter: LinePainter | None = None
        self._scanned: set[FilteredLog] = set()
        self._unfinished: set[FilteredLog] = set()
        self._next_redraw_s = 0.0

    @property
    def is_scanning(self) -> bool:
        """Whether lines that the log had at the start may be missing."""
        return bool(self._unfinished)

    def start(self, painter: LinePainter) -> None:
        """Finds the lines of this painter's filtered logs, and goes on as they grow. Ends the last scans."""
        self.stop()
        self._painter = painter
        self.scan_shown_logs()

    def scan_shown_logs(self) -> None:
        """Scans also those of the logs that were hidden before."""
        if self._painter is None:
            return
        for log in self._painter.filtered_logs:
            if log not in self._scanned:
                self._scanned.add(log)
                self._unfinished.add(log)
                start_worker(self._view, partial(self._scan, log, self._painter), group=_GROUP)
        if (progress := self._progress).total:
            self._report(progress, "")

    def stop(self) -> None:
        """Ends the scans and their child processes."""
        self._view.workers.cancel_group(self._view, _GROUP)
        self._painter, self._scanned, self._unfinished = None, set(), set()

    def explain_no_lines(self) -> str:
        """Returns what to show if no line is in view; "" without filters."""
        if not self._scanned:
            return ""
        return "No line passes the filter." if self._progress.is_complete else "No line so far passes the filter."

    @property
    def _progress(self) -> FilterProgress:
        every = [] if self._painter is None else [log.progress for log in self._painter.filtered_logs]
        return FilterProgress(
            sum(one.kept for one in every), sum(one.scanned for one in every), sum(one.total for one in every)
        )

    async def _scan(self, log: FilteredLog, painter: LinePainter) -> None:
        try:
            async with aclosing(log.follow()) as steps:
                async for progress in steps:
                    if progress.is_complete or time.monotonic() >= self._next_redraw_s:
                        self._next_redraw_s = time.monotonic() + _REDRAW_S * len(self._scanned)
                        if painter.refresh():
                            self._redraw()
                    self._report(self._progress, "")
                    if progress.is_complete:
                        self._note_complete(log)
        except FlowError as error:
            self._report(self._progress, error.message)
            self._note_complete(log)
        except asyncio.CancelledError:
            await log.wait_closed()
            raise

    def _note_complete(self, log: FilteredLog) -> None:
        if log in self._unfinished:
            self._unfinished.remove(log)
            if not self._unfinished:
                self._settled()
