"""The titles in the frame of a widget."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget


def set_frame_title(widget: Widget, text: str) -> None:
    """Writes the upper edge of the frame. The text is no markup.

    Textual repaints the whole widget, with all widgets in it, whenever it gets a title. This repaints only the edge,
    and only if the text has changed.
    """
    if (title := _make_title(text)) != widget._border_title:
        widget._border_title = title
        widget.refresh(Region(-1, -1, widget.outer_size.width, 1))


def set_frame_subtitle(widget: Widget, text: str) -> None:
    """Writes the lower edge of the frame, as `set_frame_title` does the upper one."""
    if (title := _make_title(text)) != widget._border_subtitle:
        widget._border_subtitle = title
        widget.refresh(Region(-1, widget.content_size.height, widget.outer_size.width, 1))


def _make_title(text: str) -> Content:
    """Returns a title of one line."""
    return Content(text.partition("\n")[0]).expand_tabs(4)
