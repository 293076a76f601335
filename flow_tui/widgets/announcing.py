"""Messages of our own widgets, which reach every ancestor."""

from __future__ import annotations

from textual.message import Message
from textual.widget import Widget


def announce(widget: Widget, message: Message) -> None:
    """Sends a message of this widget up the tree.

    Textual takes whoever is active for the sender, and ends the way up there: a table that is filtered by its pane
    would tell the pane and not the screen that another row is selected.
    """
    widget.post_message(message.set_sender(widget))
