"""Draws the rows of a widget at once, instead of at the next tick of the screen's timer."""

from __future__ import annotations

from textual._compositor import ChopsUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


def draw_now(widget: Widget) -> None:
    """Draws the rows that the widget has refreshed. It must have no border.

    The usual way passes three message queues, waits for the timer, and renders the widgets behind this one as well.
    That takes longer than the echo of a key over a fast network. If the screen has more to do than to draw these rows,
    or if something covers them, leaves them to the usual way.
    """
    if not widget.is_attached or not widget._repaint_regions:
        return
    screen = widget.screen
    place = _find_place(widget, screen)
    if place is None or _is_busy(screen) or not (rows := _take_rows(widget, place)):
        return
    strips = widget.render_lines(Region(0, rows[0], place.width, rows[-1] - rows[0] + 1))
    chops: list[dict[int, Strip]] = [{} for _ in range(screen.size.height)]
    for row in rows:
        chops[place.y + row] = {place.x: strips[row - rows[0]]}
    spans = [(place.y + row, place.x, place.right) for row in rows]
    screen.app._display(screen, ChopsUpdate(chops, spans, [[place.right]] * len(chops)))


def _is_busy(screen: Screen[object]) -> bool:
    """Returns whether the screen is about to change in another way, or is covered by another screen."""
    changes = screen._layout_required or screen._scroll_required or screen._recompose_required
    is_drawn = screen.is_current and not screen.app._batch_count and not screen.app.is_inline
    return changes or screen._repaint_required or not is_drawn


def _find_place(widget: Widget, screen: Screen[object]) -> Region | None:
    """Returns the region of the widget on the screen; None if it isn't shown completely."""
    visible = screen._compositor.visible_widgets
    if widget not in visible:
        return None
    place, clip = visible[widget]
    for other, (region, _) in visible.items():  # from front to back
        if other is widget:
            break
        if region.overlaps(place):
            return None
    is_whole = clip.contains_region(place) and screen.size.region.contains_region(place)
    return place if is_whole else None


def _take_rows(widget: Widget, place: Region) -> list[int]:
    """Returns the rows to draw, from top to bottom. The usual way won't draw them any more."""
    widget._repaint_required = False
    regions = widget._exchange_repaint_regions()
    return sorted({y for region in regions for y in region.line_range if 0 <= y < place.height})
