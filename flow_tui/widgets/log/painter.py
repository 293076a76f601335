"""Draws the rows of a log that are in view. Caches rows, so that a new line renders only itself."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from flow_core.agent.spool import STDERR, SpoolFiles
from flow_core.logs.export import LogBlock, read_shown_blocks
from flow_core.logs.filtered.filtered_log import FilteredLog
from flow_core.logs.open_colours import ColourIndex
from flow_core.logs.search.log_search import LogSearch, SearchMatch
from flow_core.logs.search.query import SearchQuery
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.log_lines import LogLines
from flow_core.logs.shown.shown_log import ShownLog
from flow_tui.widgets.log.line_stack import LineOptions, LineStack
from flow_tui.widgets.log.matches import LineSearch, LogMatches, MatchSpans
from flow_tui.widgets.log.rows import LogLayout, LogRow, LogStyles, LogText, find_cells, find_wrap_points, lay_out_line
from flow_tui.widgets.log.text_rows import TextRow
from flow_tui.widgets.log.window import LogWindow

CUT_RIGHT = "›"
_KEPT = 2048

_LaidOut = tuple[ShownLine, int, list[LogRow]]
"""A line, the number of its rows above the window, and all its rows."""
_RowKey = tuple[LogText, bool, MatchSpans]


@dataclass(frozen=True, slots=True)
class LogFrame:
    """The size, the horizontal scroll offset and the styles of a drawing. The last column is the scroll bar."""

    width: int
    height: int
    left: int
    style: Style
    thumb: Style


class LinePainter:
    """A painter of lines with its own window. The owner must close the painter."""

    def __init__(self, log: LogLines, layout: LogLayout, styles: LogStyles) -> None:
        self.log = log
        self.window = LogWindow(log, lambda line: len(self._lay_out(line)))
        self.matches: LogMatches | None = None
        self.rows: list[TextRow] = []
        """The rows of the last drawing, without empty rows below the log."""
        self.visible_cells: range | None = None
        """The cells of a line that the last drawing shows; None if lines wrap."""
        self.layout = layout
        self.styles = styles
        self._span = (0, 0)
        self._rows: LRUCache[_RowKey, list[LogRow]] = LRUCache(_KEPT)

    def restyle(self, layout: LogLayout, styles: LogStyles) -> None:
        """Changes the layout and the styles of later drawings."""
        self.layout, self.styles = layout, styles
        self._rows.clear()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that contain the lines."""
        raise NotImplementedError

    @property
    def last_time(self) -> datetime | None:
        """When the last bytes were read, in UTC; None if it is unknown."""
        raise NotImplementedError

    def find_time(self, offset: int) -> datetime | None:
        """Returns when the byte at this offset was read, in UTC; None if it is unknown."""
        raise NotImplementedError

    def find_offset_at(self, time: datetime) -> int | None:
        """Returns the offset of the first byte that was read at this time or later; None if there is none."""
        raise NotImplementedError

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        """Yields the shown lines in a range of offsets as text. Does blocking I/O; may run in a thread."""
        raise NotImplementedError

    def get_prefix(self, line: ShownLine) -> str:
        """Returns what stands before the text of a line that is copied; "" if nothing does."""
        return ""

    def make_search(self, query: SearchQuery) -> LineSearch:
        """Returns a new search in the lines, with their offsets. Raises ConfigError if the query is invalid."""
        raise NotImplementedError

    @property
    def searched(self) -> Hashable:
        """What of the log a search covers. A search that began with another value must begin again."""
        raise NotImplementedError

    @property
    def filtered_logs(self) -> list[FilteredLog]:
        """The shown logs whose lines a scan has to find, because filters are set."""
        return []

    def set_options(self, options: LineOptions) -> bool:
        """Changes what is shown of the log. Returns whether the lines are others now.

        Does nothing for lines that can't be shown in this way.
        """
        return False

    @property
    def is_exact(self) -> bool:
        """Whether the lines of the last drawing are exactly what a terminal shows, and not what a part of a long block
        of redraws tells."""
        return True

    async def make_exact(self) -> None:
        """Makes `is_exact` true: reads long blocks of redraws from their beginning. May take seconds, in a thread."""

    def correct_colours(self, colours: ColourIndex) -> bool:
        """Uses this index of the colours of the log. Returns whether the last drawing may change by it."""
        return False

    def refresh(self) -> bool:
        """Checks the files again. Returns whether they have changed."""
        return self.log.refresh()

    def refresh_in_steps(self, *, reads_end: bool) -> Generator[None, None, bool]:
        """Checks the files as `refresh` does. If that takes long, it is done in steps, between which keys come first.

        `reads_end` is whether the last lines will be drawn.
        """
        yield from ()
        return self.refresh()

    def close(self) -> None:
        self.log.close()

    def paint(self, frame: LogFrame) -> list[Strip]:
        """Draws every row of the frame. Returns no rows if no line is in view."""
        lines = self.window.get_lines(frame.height)
        self.rows = []
        if not lines:
            return []
        self._span = (lines[0][0].offset, lines[-1][0].end)
        laid_out = [(line, skipped, self._lay_out(line)) for line, skipped in lines]
        rows = [row for _, skipped, line_rows in laid_out for row in line_rows[skipped:]][: frame.height]
        self.rows = self._list_text_rows(laid_out, frame)[: frame.height]
        width = max(0, frame.width - 1 - self.layout.margin)
        self.visible_cells = None if self.layout.wrap else range(frame.left, frame.left + width)
        strips = [row.crop(frame.left, frame.width - 1, frame.style) for row in rows]
        strips += [Strip.blank(frame.width - 1, frame.style)] * (frame.height - len(strips))
        cut_rows = {y for y, row in enumerate(rows) if row.content.cell_length > frame.left + width}
        thumb = self._thumb_rows(lines[0][0].offset, lines[-1][0].end, frame.height)
        bars = self._make_bars(frame)
        return [Strip([*strip, bars[y in thumb, y in cut_rows]], frame.width) for y, strip in enumerate(strips)]

    def _make_bars(self, frame: LogFrame) -> dict[tuple[bool, bool], Segment]:
        """Returns the cells of the scroll bar: whether it is the thumb, and whether the row is cut at its right."""
        note = Style(color=self.styles.note.color)
        return {
            (is_thumb, is_cut): Segment(CUT_RIGHT if is_cut else " ", style + note if is_cut else style)
            for is_thumb, style in ((True, frame.thumb), (False, frame.style))
            for is_cut in (True, False)
        }

    def count_rows(self, offset: int, limit: int) -> int:
        """Returns the number of rows of the line at this offset, at most `limit`."""
        line = self.log.line_at(offset)
        return 1 if line is None else min(limit, len(self._lay_out(line)))

    def find_place(self, match: SearchMatch) -> tuple[int, range]:
        """Returns the row of a match in its line, and the cells that it takes in that row."""
        line = self.log.line_at(match.offset)
        if line is None:
            return 0, range(0)
        layout = self.layout
        if not layout.wrap:
            return 0, find_cells(line.text, match.start, match.end)
        row = sum(1 for point in find_wrap_points(line.text, layout.content_width) if point <= match.start)
        return row, range(0)

    def list_unmarked_texts(self, height: int) -> list[str]:
        """Returns the texts in view for which the marks have not been found yet."""
        if (matches := self.matches) is None:
            return []
        texts = [line.text for line, _ in self.window.get_lines(height)]
        return [text for text in texts if matches.get_marks(text) is None]

    def _list_text_rows(self, laid_out: Sequence[_LaidOut], frame: LogFrame) -> list[TextRow]:
        found: list[TextRow] = []
        has_times = self.layout.time or self.layout.delta
        before = self._find_time_above(laid_out[0][0]) if has_times else None
        for line, skipped, rows in laid_out:
            described, first = self._describe(line) if has_times else None, 0
            times = (described.when, before, described.is_arrival) if described else (None, None, False)
            for number, row in enumerate(rows):
                text = row.content.text
                if number >= skipped:
                    place = (line.offset, line.end, first, text, len(line.text), self.layout.margin, frame.left)
                    found.append(TextRow(*place, *times))
                first += len(text)
            before = times[0]
        return found

    def _find_time_above(self, line: ShownLine) -> datetime | None:
        above = self.log.lines_before(line.offset, 1)
        return self._describe(above[0]).when if above else None

    def _thumb_rows(self, first: int, last: int, height: int) -> range:
        """Returns the rows of the scroll bar's thumb; empty if the whole log is in view."""
        size = self.log.size
        if first == 0 and last >= size:
            return range(0)
        length = max(1, min(height - 1, height * (last - first) // size))
        start = height - length if last >= size else (height - length) * first // size
        return range(start, start + length)

    def _lay_out(self, line: ShownLine) -> list[LogRow]:
        matches = self.matches
        found = matches is not None and matches.current is not None and _contains(line, matches.current.offset)
        spans = (matches.get_marks(line.text) if matches else None) or ()
        key = (self._describe(line), found, spans)
        if (rows := self._rows.get(key)) is None:
            rows = self._rows[key] = lay_out_line(key[0], self.layout, self.styles, spans, is_found=found)
        return rows

    def _describe(self, line: ShownLine) -> LogText:
        """Adds the stream and the time of what the line shows."""
        raise NotImplementedError


class LogPainter(LinePainter):
    """A painter of one log. With `has_arrival_times`, only the times are known at which its lines arrived here."""

    def __init__(
        self, files: SpoolFiles, layout: LogLayout, styles: LogStyles, *, has_arrival_times: bool = False
    ) -> None:
        self.files = files
        self._has_arrival_times = has_arrival_times
        self.stack = LineStack(files, LineOptions())
        super().__init__(self.stack.lines, layout, styles)

    @property
    def stream(self) -> int | None:
        """The stream that is shown alone; None for both."""
        return self.stack.options.stream

    @property
    def searched(self) -> Hashable:
        return self.stream, self.stack.options.filters.filters

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.files.log,)

    @property
    def last_time(self) -> datetime | None:
        return self.stack.base.source.sidecar.last_time

    def find_time(self, offset: int) -> datetime | None:
        return self.stack.base.source.sidecar.find_time(offset)

    def find_offset_at(self, time: datetime) -> int | None:
        return self.stack.base.source.sidecar.find_offset(time)

    def read_blocks(self, start: int, end: int) -> Iterator[LogBlock]:
        """Reads the lines that pass the filters. Raises FlowError while they are not all known."""
        if (filtered := self.stack.filtered) is not None:
            return filtered.read_blocks(start, end)
        return read_shown_blocks(self.files, self.stream, start, end)

    def make_search(self, query: SearchQuery) -> LineSearch:
        return LogSearch(self.files, query, self.stream, filters=self.stack.options.filters)

    @property
    def filtered_logs(self) -> list[FilteredLog]:
        return [] if self.stack.filtered is None else [self.stack.filtered]

    def set_options(self, options: LineOptions) -> bool:
        if options == self.stack.options:
            return False
        colours = self.stack.base.source.colours
        self.log.close()
        self.stack = LineStack(self.files, options, start_near=self.window.top.offset)
        self.stack.base.source.colours = colours
        self.window.log = self.log = self.stack.lines
        self.log.refresh()
        return True

    @property
    def is_exact(self) -> bool:
        return self.stack.base.is_exact(*self._span)

    def correct_colours(self, colours: ColourIndex) -> bool:
        base = self.stack.base
        return isinstance(base, ShownLog) and base.correct_colours(colours)

    async def make_exact(self) -> None:
        await self.stack.base.make_exact(*self._span)

    def _describe(self, line: ShownLine) -> LogText:
        """Adds the stream and the time of what the line shows."""
        sidecar, stream = self.stack.base.source.sidecar, self.stream
        stamp = sidecar.find_stamp(line.written_at)
        is_stderr = (stamp is not None and stamp.stream == STDERR) if stream is None else stream == STDERR
        time_us = None if stamp is None else stamp.time_us
        note = self.stack.describe_fold(line.offset)
        return LogText(line.runs, line.text, is_stderr, time_us, self._has_arrival_times, note=note)


def _contains(line: ShownLine, offset: int) -> bool:
    return line.offset <= offset < max(line.end, line.offset + 1)
