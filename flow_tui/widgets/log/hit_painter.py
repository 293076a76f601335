"""Draws the rows of the results of a search in many logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flow_core.logs.escape import escape_controls
from flow_tui.widgets.log.hit_rows import HitRow, RowRole

_MARGIN = 2
_CURSOR = "▸ "
_CUT_LEFT, _CUT_RIGHT = "‹", "›"
_GAP = "···"


@dataclass(frozen=True, slots=True)
class HitStyles:
    """The styles of the results in the active theme."""

    text: Style
    title: Style
    match: Style
    muted: Style
    problem: Style
    cursor: Style

    @classmethod
    def of(cls, base: Style, component: Callable[[str], Style]) -> HitStyles:
        """Lays the styles over `base`. `component` finds a style by its name."""
        title, match, muted, problem = (base + component(name) for name in ("title", "match", "muted", "problem"))
        return cls(base, title, match, muted, problem, component("cursor"))


def draw_hit_row(row: HitRow, width: int, styles: HitStyles, *, has_cursor: bool) -> Strip:
    """Draws one row. A long line is cut so that its first match is in view."""
    match row.role:
        case RowRole.TITLE:
            return _draw_title(row, width, styles)
        case RowRole.HIT:
            return _draw_hit(row, width, styles, has_cursor=has_cursor)
        case RowRole.CONTEXT:
            return _draw_text([Segment(escape_controls(row.text), styles.muted)], 0, width, styles.muted)
        case RowRole.MISSING:
            return _draw_text([Segment(escape_controls(row.text), styles.problem)], 0, width, styles.problem)
        case RowRole.GAP:
            return _draw_text([Segment(_GAP, styles.muted)], 0, width, styles.muted)
    return Strip.blank(width, styles.text)


def _draw_title(row: HitRow, width: int, styles: HitStyles) -> Strip:
    note = f"  {row.note} "
    room = max(1, width - len(note))
    title = Strip([Segment(escape_controls(row.text), styles.title)])
    if title.cell_length > room:
        title = Strip.join([title.crop(0, room - 1), Strip([Segment("…", styles.title)])])
    title = title.adjust_cell_length(room, styles.title)
    return Strip.join([title, Strip([Segment(note, styles.title)])]).adjust_cell_length(width, styles.title)


def _draw_hit(row: HitRow, width: int, styles: HitStyles, *, has_cursor: bool) -> Strip:
    style = styles.text + styles.cursor if has_cursor else styles.text
    left = 0
    if row.spans:
        start, end = (cell_len(row.text[:place]) for place in row.spans[0])
        room = width - _MARGIN
        if end >= room:
            left = max(0, min(start - room // 3, start))
    segments = list(_iter_segments(row, style, styles.match))
    return _draw_text(segments, left, width, style, mark=_CURSOR if has_cursor else "")


def _iter_segments(row: HitRow, style: Style, match: Style) -> Iterator[Segment]:
    text, place = escape_controls(row.text), 0
    for start, end in row.spans:
        yield Segment(text[place:start], style)
        yield Segment(text[start:end], match)
        place = end
    yield Segment(text[place:], style)


def _draw_text(segments: list[Segment], left: int, width: int, style: Style, mark: str = "") -> Strip:
    """Draws text after its margin, with marks where it is cut."""
    room = max(1, width - _MARGIN)
    whole = Strip([segment for segment in segments if segment.text])
    shown = whole.crop(left, left + room)
    if left:
        shown = Strip.join([Strip([Segment(_CUT_LEFT, style)]), shown.crop(1)])
    if whole.cell_length > left + room:
        shown = Strip.join([shown.crop(0, room - 1), Strip([Segment(_CUT_RIGHT, style)])])
    margin = Strip([Segment(f"{mark:<{_MARGIN}}", style)])
    return Strip.join([margin, shown.adjust_cell_length(room, style)]).adjust_cell_length(width, style)
