"""What a log view shows of its log: streams, times, filters, folds and fields."""

from __future__ import annotations

from textual.reactive import var

from flow_core.agent.spool import STDERR, STDOUT
from flow_core.logs.analysis.structured import parse_structured
from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_tui.widgets.log.line_stack import LineOptions
from flow_tui.widgets.log.painter import LogPainter
from flow_tui.widgets.log.scrolling import ScrollingLog

_STREAMS: dict[int | None, str] = {None: "both", STDOUT: "stdout", STDERR: "stderr"}


class DisplayedLog(ScrollingLog):
    """A log in view with the settings of what is shown of it. A change draws everything again."""

    show_time: var[bool] = var(False)
    show_delta: var[bool] = var(False)
    stream: var[int | None] = var(None)
    expands_redraws: var[bool] = var(False)
    filters: var[LogFilters] = var(NO_FILTERS)
    folds: var[bool] = var(False)
    is_readable: var[bool] = var(False)

    @property
    def _options(self) -> LineOptions:
        return LineOptions(self.stream, self.expands_redraws, self.filters, self.folds, self.is_readable)

    @property
    def stream_name(self) -> str:
        return _STREAMS[self.stream]

    def action_toggle_wrap(self) -> None:
        self.wrap = not self.wrap

    def action_toggle_time(self) -> None:
        self.show_time = not self.show_time

    def action_toggle_delta(self) -> None:
        self.show_delta = not self.show_delta

    def action_toggle_redraws(self) -> None:
        """Shows each redraw of a progress bar as a line of its own, as it came, or the last state only."""
        self.expands_redraws = not self.expands_redraws

    def action_cycle_stream(self) -> None:
        order = list(_STREAMS)
        self.stream = order[(order.index(self.stream) + 1) % len(order)]

    def watch_wrap(self) -> None:
        self._left = 0
        self._restyle()

    def watch_show_time(self) -> None:
        self._restyle()

    def watch_show_delta(self) -> None:
        self._restyle()

    def action_toggle_folds(self) -> None:
        """Folds tracebacks and dumps to their first line and their summary, or shows all lines."""
        self.folds = not self.folds

    def action_toggle_readable(self) -> None:
        """Shows lines of JSON, logfmt and dicts in columns, or as they are."""
        self.is_readable = not self.is_readable

    def action_unfold(self) -> None:
        """Opens the fold of the current line, or shows its fields one below the other; again closes it."""
        line = self.current_line
        if line is None or not isinstance(self._painter, LogPainter):
            return
        self._current = line.offset
        self.following = False
        if self._painter.stack.toggle(line.offset):
            self._restyle()
        elif not self.is_readable and parse_structured(line.text) is not None:
            self.is_readable = True
            self._painter.stack.toggle(line.offset)
            self._restyle()

    def watch_filters(self) -> None:
        self.selector.clear()
        self._restyle()

    def watch_folds(self) -> None:
        self._restyle()

    def watch_is_readable(self) -> None:
        self._restyle()

    def watch_expands_redraws(self) -> None:
        self._restyle()

    def watch_stream(self) -> None:
        self.selector.clear()
        self._restyle()

    def _restyle(self) -> None:
        """Draws everything again, for other settings."""
        raise NotImplementedError
