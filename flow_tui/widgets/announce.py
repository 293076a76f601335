"""Posts messages of a widget so that they reach every ancestor."""

from __future__ import annotations

from textual.message import Message
from textual.widget import Widget


def announce(widget: Widget, message: Message) -> None:
    """Posts a message of this widget.

    By default, Textual takes the active widget for the sender, and a message doesn't bubble beyond its sender. If a
    pane filters its table, the message about another selected row would reach the pane and not the screen.
    """
    widget.post_message(message.set_sender(widget))
