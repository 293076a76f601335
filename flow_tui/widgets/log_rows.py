"""One line of a log as rows of cells: colours, time, marks, wrapping. Knows no file and no widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flow_core.logs.ansi import TextStyle, styled
from flow_tui.terminal.rich_segments import style_over

TIME_CELLS = 13
MARK = "▌"
FOUND = "▸"


@dataclass(frozen=True, slots=True)
class Palette:
    """The styles of a log view, resolved in the theme that is active."""

    text: Style
    time: Style
    stderr: Style
    match: Style
    note: Style

    @classmethod
    def of(cls, base: Style, component: Callable[[str], Style]) -> Palette:
        """The styles over that of plain text, each looked up by its name."""
        time, stderr, note = (base + component(name) for name in ("time", "stderr", "note"))
        return cls(base, time, stderr, component("match"), note)


@dataclass(frozen=True, slots=True)
class Format:
    """How lines are laid out. `width` is what a row may take in all."""

    width: int
    wrap: bool = False
    time: bool = False

    @property
    def margin(self) -> int:
        """Cells before the text: the stream's mark, and the time."""
        return 1 + TIME_CELLS * self.time

    @property
    def room(self) -> int:
        return max(1, self.width - self.margin)


@dataclass(frozen=True, slots=True)
class LogText:
    """A line, decoded. `note` says what is left out of it."""

    runs: tuple[tuple[str, TextStyle], ...]
    text: str
    is_stderr: bool
    when: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a line: a margin that stays, and content that may be scrolled sideways."""

    margin: Strip
    content: Strip

    def cropped(self, left: int, width: int, style: Style) -> Strip:
        room = max(0, width - self.margin.cell_length)
        content = self.content.crop(left, left + room).adjust_cell_length(room, style)
        return Strip.join([self.margin, content]).adjust_cell_length(width, style)


def decode(data: bytes) -> tuple[tuple[tuple[str, TextStyle], ...], str]:
    """Raw bytes of a line as harmless runs and text. What is no UTF-8 becomes replacement characters."""
    runs = tuple(styled(data.decode("utf-8", "replace")))
    return runs, "".join(run for run, _ in runs)


def rows_of(
    line: LogText, layout: Format, palette: Palette, matches: Sequence[tuple[int, int]], *, is_found: bool = False
) -> list[Row]:
    """The rows a line takes: one, or with wrapping as many as it needs. `is_found`: the search stands on it."""
    base = palette.text + palette.stderr if line.is_stderr else palette.text
    pieces = list(_overlay(_styled(line, base, palette), matches, palette.match))
    cuts = wrap_points(line.text + line.note, layout.room) if layout.wrap else []
    first = _margin(_mark(line, palette, is_found), line, layout, palette)
    other = _margin(_mark(line, palette, False), None, layout, palette)
    return [Row(other if number else first, Strip(segments)) for number, segments in enumerate(_cut(pieces, cuts))]


def wrap_points(text: str, room: int) -> list[int]:
    """Character positions at which rows of at most `room` cells start, without the first."""
    if text.isascii():
        return list(range(room, len(text), room))
    points, used = [], 0
    for position, char in enumerate(text):
        size = get_character_cell_size(char)
        if used + size > room and used:
            points.append(position)
            used = 0
        used += size
    return points


def _styled(line: LogText, base: Style, palette: Palette) -> list[tuple[str, Style]]:
    runs = [(text, style_over(base, style)) for text, style in line.runs]
    return [*runs, (line.note, palette.note)] if line.note else runs


def _overlay(
    runs: Sequence[tuple[str, Style]], matches: Sequence[tuple[int, int]], style: Style
) -> Iterator[tuple[str, Style]]:
    """The runs, with `style` laid over the matched ranges of characters."""
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


def _cut(pieces: Sequence[tuple[str, Style]], cuts: Sequence[int]) -> list[list[Segment]]:
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


def _mark(line: LogText, palette: Palette, is_found: bool) -> Segment:
    if is_found:
        return Segment(FOUND, palette.text + palette.match)
    return Segment(MARK, palette.stderr) if line.is_stderr else Segment(" ", palette.text)


def _margin(mark: Segment, line: LogText | None, layout: Format, palette: Palette) -> Strip:
    if not layout.time:
        return Strip([mark])
    text = f"{line.when.astimezone():%H:%M:%S}.{line.when.microsecond // 1000:03d}" if line and line.when else ""
    return Strip([mark, Segment(text.ljust(TIME_CELLS), palette.time)])
