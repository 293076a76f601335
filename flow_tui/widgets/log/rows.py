"""Lays out one line of a log as rows of cells: colours, time, marks and wrapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flow_core.logs.analysis.levels import LogLevel, find_level
from flow_core.logs.shown.line import Runs
from flow_tui.terminal.rich_segments import overlay_style

TIME_CELLS = 13
DELTA_CELLS = 9
MARK = "▌"
FOUND = "▸"


@dataclass(frozen=True, slots=True)
class LogStyles:
    """The styles of a log view in the active theme."""

    text: Style
    time: Style
    stderr: Style
    match: Style
    note: Style
    selected: Style
    error: Style
    warning: Style
    labels: tuple[Style, ...] = ()
    """The styles of the labels of merged logs, which repeat."""

    @classmethod
    def of(cls, base: Style, component: Callable[[str], Style]) -> LogStyles:
        """Lays the styles over `base`. `component` finds a style by its name."""
        time, stderr, note, error, warning = (
            base + component(name) for name in ("time", "stderr", "note", "error", "warning")
        )
        return cls(base, time, stderr, component("match"), note, component("selected"), error, warning)


@dataclass(frozen=True, slots=True)
class LogLayout:
    """The layout of lines. `width` is the width of a whole row."""

    width: int
    wrap: bool = False
    time: bool = False
    delta: bool = False
    label: int = 0
    """The number of cells for the label of the log that a line is from."""

    @property
    def margin(self) -> int:
        """The number of cells before the text: the mark of the stream, the times, and the label."""
        return self.times_end + self.label

    @property
    def times_end(self) -> int:
        """The number of cells of the mark of the stream, the time, and the time since the line above."""
        return 1 + TIME_CELLS * self.time + DELTA_CELLS * self.delta

    @property
    def content_width(self) -> int:
        return max(1, self.width - self.margin)


class LogText(NamedTuple):
    """A line with its stream and its time, in microseconds since the epoch (None: unknown).

    If `is_arrival`, only the time of its arrival is known. `label` is the name of the merged log that it is from, and
    `number` that log's number. `note` is shown after the text, such as the number of lines that are folded.
    """

    runs: Runs
    text: str
    is_stderr: bool
    time_us: int | None
    is_arrival: bool = False
    label: str = ""
    number: int = 0
    note: str = ""

    @property
    def when(self) -> datetime | None:
        """The time in UTC; None if it is unknown or no valid time."""
        try:
            return None if self.time_us is None else datetime.fromtimestamp(self.time_us / 1_000_000, UTC)
        except (ValueError, OverflowError, OSError):
            return None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of a line: a fixed margin, and content that scrolls horizontally."""

    margin: Strip
    content: Strip

    def crop(self, left: int, width: int, style: Style) -> Strip:
        content_width = max(0, width - self.margin.cell_length)
        content = self.content.crop(left, left + content_width).adjust_cell_length(content_width, style)
        return Strip.join([self.margin, content]).adjust_cell_length(width, style)


def lay_out_line(
    line: LogText, layout: LogLayout, styles: LogStyles, matches: Sequence[tuple[int, int]], *, is_found: bool = False
) -> list[LogRow]:
    """Lays out a line: one row, or as many as wrapping needs. `is_found`: it has the current match of the search."""
    base = _choose_style(line, styles)
    pieces = list(_style_matches(_style_runs(line, base, styles), matches, styles.match))
    text = f"{line.text}  {line.note}" if line.note else line.text
    cuts = find_wrap_points(text, layout.content_width) if layout.wrap else []
    first = _margin_strip(_mark_segment(line, styles, is_found), _label_segments(line, layout, styles), layout, styles)
    other = _margin_strip(_mark_segment(line, styles, False), [Segment(" " * layout.label)], layout, styles)
    return [
        LogRow(other if number else first, Strip(segments)) for number, segments in enumerate(_split_at(pieces, cuts))
    ]


def find_wrap_points(text: str, width: int) -> list[int]:
    """Returns the positions at which rows after the first one start. A row has at most `width` cells."""
    if text.isascii():
        return list(range(width, len(text), width))
    points, used = [], 0
    for position, char in enumerate(text):
        size = get_character_cell_size(char)
        if used + size > width and used:
            points.append(position)
            used = 0
        used += size
    return points


def find_cells(text: str, start: int, end: int) -> range:
    """Returns the cells that a range of characters takes."""
    first = cell_len(text[:start])
    return range(first, first + cell_len(text[start:end]))


def _choose_style(line: LogText, styles: LogStyles) -> Style:
    """Returns the style of the text without colours of its own: that of its level, else that of its stream.

    On stderr, a line of a lower level is ordinary text; loggers write all levels there.
    """
    if not any(style.foreground is not None or style.background is not None for _, style in line.runs):
        level = find_level(line.text)
        if level is not None:
            return styles.error if level.is_error else styles.warning if level is LogLevel.WARNING else styles.text
    return styles.stderr if line.is_stderr else styles.text


def _style_runs(line: LogText, base: Style, styles: LogStyles) -> list[tuple[str, Style]]:
    runs = [(text, overlay_style(base, style)) for text, style in line.runs]
    return [*runs, (f"  {line.note}", styles.note)] if line.note else runs


def _style_matches(
    runs: Sequence[tuple[str, Style]], matches: Sequence[tuple[int, int]], style: Style
) -> Iterator[tuple[str, Style]]:
    """Yields the runs, with `style` laid over the matched ranges of characters."""
    position = 0
    for text, own in runs:
        start, end = position, position + len(text)
        for low, high in matches:
            if high > position and low < end:
                low, high = max(low, position), min(high, end)
                if low > position:
                    yield text[position - start : low - start], own
                yield text[low - start : high - start], own + style
                position = high
        if position < end:
            yield text[position - start :], own
        position = end


def _split_at(pieces: Sequence[tuple[str, Style]], cuts: Sequence[int]) -> list[list[Segment]]:
    rows: list[list[Segment]] = [[]]
    pending, position = list(cuts), 0
    for text, style in pieces:
        while pending and pending[0] < position + len(text):
            head, text = text[: pending[0] - position], text[pending[0] - position :]
            if head:
                rows[-1].append(Segment(head, style))
            position = pending.pop(0)
            rows.append([])
        rows[-1].append(Segment(text, style))
        position += len(text)
    return rows


def _mark_segment(line: LogText, styles: LogStyles, is_found: bool) -> Segment:
    if is_found:
        return Segment(FOUND, styles.text + styles.match)
    return Segment(MARK, styles.stderr) if line.is_stderr else Segment(" ", styles.text)


def _label_segments(line: LogText, layout: LogLayout, styles: LogStyles) -> list[Segment]:
    style = styles.labels[line.number % len(styles.labels)] if styles.labels else styles.note
    label = Strip([Segment(line.label, style)]).crop(0, max(0, layout.label - 1))
    return list(label.adjust_cell_length(layout.label, styles.text))


def _margin_strip(mark: Segment, label: list[Segment], layout: LogLayout, styles: LogStyles) -> Strip:
    """Returns the mark, the space for the times, which depend on the line above, and the label."""
    times = [Segment(" " * (layout.times_end - 1), styles.time)] if layout.times_end > 1 else []
    return Strip([mark, *times, *(label if layout.label else [])])
