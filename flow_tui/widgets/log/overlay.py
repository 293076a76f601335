"""Draws over the painted rows of a log: the time, the mark of the current line, marks of cut rows, the selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flow_tui.widgets.log.rows import DELTA_CELLS, FOUND, TIME_CELLS, LogLayout, LogStyles
from flow_tui.widgets.log.text_rows import TextRow
from flow_tui.widgets.log.text_selection import TextSelection

CUT_LEFT = "‹"
BOOKMARKED = "◆"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST_DELTA_S = 99_999.9995


@dataclass(frozen=True, slots=True)
class LogOverlay:
    """What is drawn over the rows. `width` is the width of the view; its last column is the scroll bar."""

    layout: LogLayout
    styles: LogStyles
    width: int
    current: int | None
    """The offset of a byte of the current line."""
    bookmarks: frozenset[int]
    """The offsets of the lines with a bookmark."""
    selection: TextSelection | None

    def apply(self, strips: Sequence[Strip], rows: Sequence[TextRow]) -> list[Strip]:
        """Returns the strips of the view with the overlay. Strips below the last row stay as they are."""
        return [*map(self._draw, strips, rows), *strips[len(rows) :]]

    def _draw(self, strip: Strip, row: TextRow) -> Strip:
        if row.is_start:
            strip = self._draw_margin(strip, row)
        strip = self._draw_cut(strip, row)
        return strip if self.selection is None else self._draw_selection(strip, row, self.selection)

    def _draw_margin(self, strip: Strip, row: TextRow) -> Strip:
        x = 1
        if self.layout.time:
            strip = _put(strip, x, format_time(row.when, row.before, is_arrival=row.is_arrival), self.styles.time)
            x += TIME_CELLS
        if self.layout.delta:
            strip = _put(strip, x, format_delta(row.when, row.before), self.styles.time)
        if row.offset in self.bookmarks:
            strip = _put(strip, 0, BOOKMARKED, self.styles.time)
        if self.current is not None and row.offset <= self.current < max(row.end, row.offset + 1):
            strip = _put(strip, 0, FOUND, self.styles.text + self.styles.match)
        return strip

    def _draw_cut(self, strip: Strip, row: TextRow) -> Strip:
        if row.left and row.text:
            # In the margin, if there is nothing: no character of the text is covered then.
            x = row.margin - 1 if not _text_at(strip, row.margin - 1).strip() else row.margin
            strip = _put(strip, x, CUT_LEFT, self.styles.note)
        return strip

    def _draw_selection(self, strip: Strip, row: TextRow, selection: TextSelection) -> Strip:
        characters = selection.characters_of(row.offset, row.length)
        if characters is None:
            return strip
        cells = row.cells_of(characters)
        if selection.is_lines and not row.text:
            cells = range(row.margin, row.margin + 1)  # an empty line shows that it is selected too
        start, stop = min(cells.start, self.width - 1), min(cells.stop, self.width - 1)
        if start >= stop:
            return strip
        before, selected, after = strip.divide([start, stop, self.width])
        style = self.styles.selected
        over = [Segment(part.text, (part.style or Style()) + style) for part in selected]
        return Strip.join([before, Strip(over, selected.cell_length), after])


def format_time(when: datetime | None, before: datetime | None, *, is_arrival: bool = False) -> str:
    """Formats the time of a line; on the first line of another day, the date and the time without seconds.

    The time of an arrival begins with "~" and has two decimals.
    """
    if when is None:
        return ""
    if is_arrival:
        return f"~{format_time(when, before)}"[: TIME_CELLS - 1]
    here = when.astimezone()
    if before is not None and before.astimezone().date() != here.date():
        return f"{here.day:2} {_MONTHS[here.month - 1]} {here:%H:%M}"
    return f"{here:%H:%M:%S}.{here.microsecond // 1000:03d}"


def format_delta(when: datetime | None, before: datetime | None) -> str:
    """Formats the seconds since the line above: "+0.532". Longer steps have fewer decimals."""
    if when is None or before is None:
        return ""
    seconds = (when - before).total_seconds()
    if abs(seconds) > _LONGEST_DELTA_S:
        return f"{seconds / 86_400:+.1f}d".rjust(DELTA_CELLS - 1)
    return f"{seconds:+.3f}"[: DELTA_CELLS - 1].rstrip(".").rjust(DELTA_CELLS - 1)


def _text_at(strip: Strip, x: int) -> str:
    return strip.crop(x, x + 1).text


def _put(strip: Strip, x: int, text: str, style: Style) -> Strip:
    """Replaces cells of the strip from `x` on."""
    if not text:
        return strip
    width, end = strip.cell_length, x + len(text)
    return Strip.join([strip.crop(0, x), Strip([Segment(text, style)], len(text)), strip.crop(end, width)])
