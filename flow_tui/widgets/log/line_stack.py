"""The lines of one log as a view shows them: of one stream, filtered, folded, or with their fields in columns."""

from __future__ import annotations

from typing import NamedTuple

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.filtered_log import FilteredLog
from flow_core.logs.filtered.line_filter import NO_FILTERS, LogFilters
from flow_core.logs.folded.folded_log import FoldedLog
from flow_core.logs.folded.readable_log import ReadableLog
from flow_core.logs.shown.log_lines import LogLines
from flow_core.logs.shown.shown_log import ShownLog


class LineOptions(NamedTuple):
    """What a view shows of a log. `stream` None stands for both streams."""

    stream: int | None = None
    expands_redraws: bool = False
    filters: LogFilters = NO_FILTERS
    folds: bool = False
    is_readable: bool = False


class LineStack:
    """The sources of the lines, each of which reads the one below it. `lines` is the top, which owns the others."""

    def __init__(self, files: SpoolFiles, options: LineOptions, start_near: int | None = None) -> None:
        self.options = options
        self.base: ShownLog | FilteredLog
        if options.filters:
            self.base = FilteredLog(
                files, options.filters, options.stream, expands_redraws=options.expands_redraws, start_near=start_near
            )
        else:
            self.base = ShownLog(files, options.stream, expands_redraws=options.expands_redraws)
        self.lines: LogLines = self.base
        self.folded: FoldedLog | None = None
        self.readable: ReadableLog | None = None
        if options.folds:
            self.lines = self.folded = FoldedLog(self.lines, grows_anywhere=self.filtered is not None)
        if options.is_readable:
            self.lines = self.readable = ReadableLog(self.lines)

    @property
    def filtered(self) -> FilteredLog | None:
        return self.base if isinstance(self.base, FilteredLog) else None

    def describe_fold(self, offset: int) -> str:
        """Returns what to show after the first line of a fold that is not open; "" after other lines."""
        fold = self.folded.find_fold(offset) if self.folded is not None else None
        return fold.note if fold is not None and fold.first == offset else ""

    def reveal(self, offset: int) -> None:
        """Opens the fold that hides the line at `offset`, if one does."""
        if self.folded is not None:
            self.folded.reveal(offset)

    def toggle(self, offset: int) -> bool:
        """Opens or closes the fold or the fields of a line. Returns whether it has either."""
        return bool(
            (self.readable is not None and self.readable.toggle(offset))
            or (self.folded is not None and self.folded.toggle(offset))
        )
