"""The widget of several logs in one sequence, ordered by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual.reactive import var

from flow_core.logs.follow import IsComplete
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.source import MergedSource
from flow_tui.widgets.log.merged_painter import MOST_LABEL_CELLS, MergedPainter
from flow_tui.widgets.log.rows import LogLayout, LogStyles
from flow_tui.widgets.log.view import LogView
from flow_tui.widgets.log.window import LogPosition
from flow_tui.widgets.styles import get_component_style

_LABEL_STYLES = 4


class MergedLogView(LogView):
    """A view of one log or of several. Each line of several begins with the label of its log, in a colour of its own.

    A time that is only that of an arrival begins with "~". A search covers the logs that are shown.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"log-view--label-{number}" for number in range(_LABEL_STYLES)}
    DEFAULT_CSS = """
    MergedLogView > .log-view--label-0 { color: $text-primary; }
    MergedLogView > .log-view--label-1 { color: $text-success; }
    MergedLogView > .log-view--label-2 { color: $text-accent; }
    MergedLogView > .log-view--label-3 { color: $text-secondary; }
    """

    hidden_logs: var[frozenset[int]] = var(frozenset[int]())
    """The numbers of the logs that are switched off."""

    def open_merged(self, sources: Sequence[MergedSource], is_complete: IsComplete | None = None) -> None:
        """Shows the end of these logs and follows them. The view owns them from now on.

        `is_complete` tells whether all of them are complete; without it, they never end.
        """
        self.set_reactive(MergedLogView.hidden_logs, frozenset())
        lines = MergedLines(MergedLog(sources))
        self._open(MergedPainter(lines, self._make_layout(), self._make_styles()), is_complete)
        self._restyle()

    @property
    def merged(self) -> MergedLines | None:
        """The lines of the logs; None if no logs are open."""
        return self._painter.log if isinstance(self._painter, MergedPainter) else None

    @property
    def labels(self) -> list[str]:
        """The labels of all logs, in their order."""
        return [] if self.merged is None else [source.label for source in self.merged.merged.sources]

    @property
    def hidden_paths(self) -> frozenset[Path]:
        """The files of the logs that are switched off."""
        paths = [] if self._painter is None or self.merged is None else self._painter.paths
        return frozenset(path for number, path in enumerate(paths) if number in self.hidden_logs)

    def hide_paths(self, hidden: frozenset[Path]) -> None:
        """Switches off the logs with these files, unless that would leave none."""
        paths = () if self._painter is None else self._painter.paths
        numbers = frozenset(number for number, path in enumerate(paths) if path in hidden)
        if len(numbers) < len(self.labels):
            self.hidden_logs = numbers

    @property
    def shown_count(self) -> int:
        """The number of logs that are not switched off."""
        return len(self.labels) - len(self.hidden_logs)

    def describe_logs(self) -> str:
        """Describes how many logs are shown; "" if only one log is open."""
        shown, every = self.shown_count, len(self.labels)
        return "" if not every else f"{shown} of {every} logs" if shown < every else f"{every} logs"

    def toggle_log(self, number: int) -> None:
        """Switches a log off, or on again; does nothing for the last one that is shown, or without such a log."""
        hidden = self.hidden_logs ^ {number}
        if 0 <= number < len(self.labels) and len(hidden) < len(self.labels):
            self.hidden_logs = hidden

    def hide_current_log(self) -> None:
        """Switches off the log of the current line, except the last one that is shown."""
        line, merged = self.current_line, self.merged
        details = None if line is None or merged is None else merged.get_details(line.offset)
        if details is not None:
            self.toggle_log(details.source)

    def show_all_logs(self) -> None:
        self.hidden_logs = frozenset()

    def action_order_by_time(self) -> None:
        """Orders lines that arrived late by their times; until then they are after the lines that were there."""
        if self.merged is not None:
            self.merged.order_by_time()
            self._forget_places()
            self._restyle()

    def watch_hidden_logs(self) -> None:
        """Switches the logs. The line at the top stays there, or the next one that is shown."""
        if self._painter is None or self.merged is None:
            return
        window, top = self._painter.window, self._painter.window.top.offset
        for number, source in enumerate(self.merged.merged.sources):
            if source.is_shown != (number not in self.hidden_logs):
                top = self.merged.show(number, is_shown=not source.is_shown, top=top)
        window.top = LogPosition(top)
        self._forget_places()
        self._filter.scan_shown_logs()
        self._restyle()

    def watch_stream(self) -> None:
        self._forget_places()
        super().watch_stream()

    def watch_expands_redraws(self) -> None:
        self._forget_places()
        super().watch_expands_redraws()

    def watch_filters(self) -> None:
        self._forget_places()
        super().watch_filters()

    def _forget_places(self) -> None:
        """Forgets the current line and the current match of merged logs: their lines get other offsets."""
        if self.merged is not None:
            self.selector.clear()
            self._current = None
            self._search.forget_places()

    def _make_layout(self) -> LogLayout:
        widest = max((cell_len(label) for label in self.labels), default=-1)
        return replace(super()._make_layout(), label=min(widest, MOST_LABEL_CELLS) + 1)

    def _make_styles(self) -> LogStyles:
        names = [f"log-view--label-{number}" for number in range(_LABEL_STYLES)]
        labels = tuple(self.rich_style + get_component_style(self, name) for name in names)
        return replace(super()._make_styles(), labels=labels)
