"""Draws what is kept of the dashboard for the next start: the tables, and the frames and bars around them.

Nothing else is kept: no log, no shell, no detail, no dialog, no notice, no text of the user in a filter or a form, no
title that another program sets, and no column that may contain secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from flow_tui.panes.pane import Pane
from flow_tui.panes.table_pane import TablePane

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = Style(bold=True, reverse=True)
_HEAVY = "┏┓┗┛━┃"


class KeptRows(NamedTuple):
    """The rows of a screen, as texts after the parameters of their SGR sequences; `age_s` is the age of the data.

    `mark_style` is the style of the first row, which shows the age.
    """

    rows: Sequence[Sequence[tuple[str, str]]]
    mark_style: str
    columns: int
    age_s: float


def draw_kept_rows(
    screen: Widget, header: Widget, bars: Iterable[Widget], panes: Iterable[Pane], age_s: float
) -> KeptRows:
    """Draws the rows. `panes` are those in view; the texts of the header are left out, because they show a state."""
    rows = _draw(screen)
    for pane in panes:
        _place(rows, pane.region, _draw_frame(pane))
        if isinstance(pane, TablePane):
            lines = _draw(pane.table)
            for start, end in pane.table.private_spans:
                lines = [_blank(line, start, end) for line in lines]
            _place(rows, pane.table.region, lines)
    for bar in bars:
        _place(rows, bar.region, _draw(bar))
    colours = COLOR_SYSTEMS[screen.app.console.color_system or "truecolor"]
    mark_style = _find_text_style(header) + _MARK
    encoded = [_encode(row, colours) for row in rows]
    return KeptRows(encoded, Strip.render_ansi(mark_style, colours), screen.size.width, age_s)


def _find_text_style(bar: Widget) -> Style:
    """Returns the style of the first text of a bar."""
    styles = [style for text, style, _ in _draw(bar)[0] if style and not text.isspace()]
    return styles[0] if styles else Style.null()


def _draw(widget: Widget) -> list[Strip]:
    return list(widget.render_lines(Region(0, 0, widget.region.width, widget.region.height)))


def _draw_frame(pane: Pane) -> list[Strip]:
    """Draws the frame without its titles, except the upper title of a table, which only counts its rows."""
    lines = _draw(pane)
    if lines and pane.styles.border_bottom[0]:
        lines[-1] = _remove_title(lines[-1])
        if not isinstance(pane, TablePane):
            lines[0] = _remove_title(lines[0])
    return lines


def _remove_title(line: Strip) -> Strip:
    fill = "━" if set(line.text) & set(_HEAVY) else "─"
    return Strip([Segment("".join(_frame_only(c, fill) for c in text), style) for text, style, _ in line])


def _frame_only(character: str, fill: str) -> str:
    return character if "\u2500" <= character <= "\u257f" else fill * cell_len(character)


def _blank(line: Strip, start: int, end: int) -> Strip:
    before, middle, after = line.crop(0, start), line.crop(start, end), line.crop(end)
    return Strip.join([before, Strip([Segment(" " * piece.cell_length, piece.style) for piece in middle]), after])


def _place(rows: list[Strip], region: Region, lines: Sequence[Strip]) -> None:
    for y, line in zip(region.line_range, lines, strict=False):
        if 0 <= y < len(rows):
            rows[y] = Strip.join([rows[y].crop(0, region.x), line, rows[y].crop(region.right)])


def _encode(row: Strip, colours: ColorSystem) -> list[tuple[str, str]]:
    return [
        (Strip.render_ansi(style, colours) if style else "", _make_printable(text))
        for text, style, _ in row.simplify()
        if text
    ]


def _make_printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " * cell_len(character) for character in text)
