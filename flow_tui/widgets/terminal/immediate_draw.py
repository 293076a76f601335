"""Draws a widget at once, instead of at the next tick of the screen's timer."""

from __future__ import annotations

from textual.widget import Widget


def draw_now(widget: Widget) -> None:
    """Draws the regions of a widget that it has refreshed.

    The usual way passes three message queues and then waits for the timer, which takes longer than the echo of a key
    over a fast network. Leaves the widget to that way if the screen has more to do than to draw.
    """
    if not widget.is_attached:  # its pane was closed
        return
    screen = widget.screen
    is_busy = (
        screen._layout_required or screen._scroll_required or screen._recompose_required or screen._repaint_required
    )
    if is_busy or not screen.is_current or screen.app._batch_count or not widget._repaint_regions:
        return
    widget._repaint_required = False
    screen._dirty_widgets.add(widget)
    screen._compositor.update_widgets(screen._dirty_widgets)
    screen._compositor_refresh()
