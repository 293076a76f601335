"""The filters of a log view: finds the lines that pass them in the background, and says how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from textual.widget import Widget

from flow_core.errors import FlowError
from flow_core.logs.filtered.filtered_log import FilteredLog, FilterProgress
from flow_tui.widgets.log.painter import LinePainter, LogPainter
from flow_tui.widgets.workers import start_worker

_GROUP = "filter"


class LogViewFilter:
    """The scan of the filtered log in view, in a worker of `view`.

    It calls `redraw` when lines were found, and `report` with the progress and with what ended the scan, if anything.
    """

    def __init__(
        self, view: Widget, *, redraw: Callable[[], None], report: Callable[[FilterProgress, str], None]
    ) -> None:
        self._view = view
        self._redraw = redraw
        self._report = report
        self._log: FilteredLog | None = None

    def start(self, painter: LinePainter) -> None:
        """Finds the lines of this painter if its log is filtered, and goes on as the log grows. Ends the last scan."""
        self.stop()
        self._log = painter.stack.filtered if isinstance(painter, LogPainter) else None
        if self._log is not None:
            start_worker(self._view, partial(self._scan, self._log, painter), group=_GROUP, exclusive=True)

    def stop(self) -> None:
        """Ends the scan and its child process."""
        self._view.workers.cancel_group(self._view, _GROUP)
        self._log = None

    def explain_no_lines(self) -> str:
        """Returns what to show if no line is in view; "" without filters."""
        if self._log is None:
            return ""
        return "No line passes the filter." if self._log.progress.is_complete else "No line so far passes the filter."

    async def _scan(self, log: FilteredLog, painter: LinePainter) -> None:
        try:
            async with aclosing(log.follow()) as steps:
                async for progress in steps:
                    if painter.refresh():
                        self._redraw()
                    self._report(progress, "")
        except FlowError as error:
            self._report(log.progress, error.message)
        except asyncio.CancelledError:
            await log.wait_closed()
            raise
