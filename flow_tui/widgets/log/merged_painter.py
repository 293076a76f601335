"""Draws the lines of several logs that are merged by time."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.cells import cell_len, chop_cells

from flow_core.agent.spool import STDERR
from flow_core.logs.escape import escape_controls
from flow_core.logs.export import LogBlock
from flow_core.logs.filtered.filtered_log import FilteredLog
from flow_core.logs.merged.merged_export import list_prefixes
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.merged_search import MergedSearch
from flow_core.logs.merged.position import MergedPosition
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.shown.line import ShownLine
from flow_tui.widgets.log.line_stack import LineOptions
from flow_tui.widgets.log.matches import LineSearch
from flow_tui.widgets.log.painter import LinePainter
from flow_tui.widgets.log.rows import LogLayout, LogStyles, LogText
from flow_tui.widgets.log.window import LogPosition

MOST_LABEL_CELLS = 20
_MOST_DESCRIBED = 4096


class MergedPainter(LinePainter):
    """A painter of merged logs. Each line has the label of its log."""

    def __init__(self, log: MergedLines, layout: LogLayout, styles: LogStyles) -> None:
        self.log: MergedLines = log
        super().__init__(log, layout, styles)
        self._options = LineOptions()
        self._held: tuple[MergedPosition, LogPosition] | None = None
        """The position at the top, and the top in which it resulted, until the user scrolls."""
        self._described: dict[int, tuple[ShownLine, LogText]] = {}
        labels = [source.label for source in log.merged.sources]
        self._prefixes = list_prefixes(labels)
        self._labels = [shorten_label(escape_controls(label)) for label in labels]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(source.path for source in self.log.merged.sources)

    @property
    def last_time(self) -> datetime | None:
        last = self.log.lines_before(self.log.size, 1)
        return self._describe(last[0]).when if last else None

    def find_time(self, offset: int) -> datetime | None:
        line = self.log.line_at(offset)
        return None if line is None else self._describe(line).when

    def find_offset_at(self, time: datetime) -> int | None:
        return self.log.find_offset(int(time.astimezone(UTC).timestamp() * 1_000_000))

    def refresh(self) -> bool:
        steps = self.refresh_in_steps(reads_end=False)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return bool(end.value)

    def refresh_in_steps(self, *, reads_end: bool) -> Generator[None, None, bool]:
        """Checks the logs. If filters have found lines between others, the position at the top stays there."""
        position, insertions = self._find_top(), self.log.insertions
        has_changed = yield from self.log.refresh_in_steps(reads_end=reads_end)
        if self.log.insertions != insertions:
            self._return_to(position)
        return has_changed

    @property
    def filtered_logs(self) -> list[FilteredLog]:
        found = [source.filtered for source in self.log.merged.sources if source.is_shown]
        return [log for log in found if log is not None]

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        return self.log.read_blocks(start, end)

    def get_prefix(self, line: ShownLine) -> str:
        """Returns the label of the log."""
        details = self.log.get_details(line.offset)
        return "" if details is None else self._prefixes[details.source]

    def make_search(self, query: SearchQuery) -> LineSearch:
        return MergedSearch(self.log, query, self._options.stream, self._options.filters)

    @property
    def searched(self) -> Hashable:
        return self._options.stream, self._options.filters.filters

    def set_options(self, options: LineOptions) -> bool:
        """Shows one stream, all redraws, or the lines that pass filters. Merged lines are not folded."""
        options = LineOptions(options.stream, options.expands_redraws, options.filters)
        if options == self._options:
            return False
        self._options = options
        position = self._find_top()
        self.log.choose_lines(options.stream, expands_redraws=options.expands_redraws, filters=options.filters)
        self._return_to(position)
        self._described.clear()
        return True

    def _find_top(self) -> MergedPosition:
        if self._held is not None and self._held[1] == self.window.top:
            return self._held[0]
        return self.log.find_position(self.window.top.offset)

    def _return_to(self, position: MergedPosition) -> None:
        self.window.top = LogPosition(self.log.find_again(position))
        self._held = position, self.window.top

    def _describe(self, line: ShownLine) -> LogText:
        known, described = self._described.get(line.offset, (None, None))
        if known is not line or described is None:
            described = self._read_details(line)
            if len(self._described) > _MOST_DESCRIBED:
                self._described.clear()
            self._described[line.offset] = (line, described)
        return described

    def _read_details(self, line: ShownLine) -> LogText:
        """Finds the stream, the time and the label of a line. A frame needs them several times."""
        details = self.log.get_details(line.offset)
        if details is None:
            return LogText(line.runs, line.text, False, None)
        label, is_stderr = self._labels[details.source], details.stream == STDERR
        return LogText(line.runs, line.text, is_stderr, details.time_us, details.is_arrival_time, label, details.source)


def shorten_label(label: str) -> str:
    """Returns at most 20 cells of a label. It keeps both ends: tasks have the same beginnings, ranks are at the end."""
    if cell_len(label) <= MOST_LABEL_CELLS:
        return label
    head = chop_cells(label, MOST_LABEL_CELLS // 2 - 1)[0]
    tail = chop_cells(label[::-1], MOST_LABEL_CELLS // 2)[0][::-1]
    return f"{head}…{tail}"
