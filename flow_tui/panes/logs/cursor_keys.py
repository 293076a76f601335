"""The actions of the logs pane that move the cursor of a list of lines, by id, and what they do there."""

from __future__ import annotations

CURSOR_KEYS = {
    "logs.scroll_down": "cursor_down",
    "logs.scroll_up": "cursor_up",
    "logs.scroll_home": "first",
    "logs.follow": "last",
    "logs.page_down": "page_down",
    "logs.page_up": "page_up",
    "logs.half_page_down": "half_page_down",
    "logs.half_page_up": "half_page_up",
}
