"""Starts a search in the log of the pane."""

from __future__ import annotations

from flow_core.errors import FlowError
from flow_core.logs.search.query import SearchQuery
from flow_tui.panes.logs.open_log import OpenLog


def start_search(pane: OpenLog, text: str, *, is_literal: bool) -> None:
    """Searches. Without text, goes to the next match or repeats the last search. An invalid text stays open."""
    pattern = text or pane.row.last
    if not check_search(pane, pattern, is_literal=is_literal):
        return
    pane.row.close()
    pane.view.focus()
    if not text and pane.view.is_searching:
        pane.view.action_next_match()
    elif pattern:
        pane.view.find(pattern, literal=is_literal)


def check_search(pane: OpenLog, text: str, *, is_literal: bool) -> bool:
    """Shows what is wrong with the text of a search or a filter. Returns whether it is valid."""
    try:
        SearchQuery(text, is_literal).check()
    except FlowError as error:
        pane.show_status(error.message, is_problem=True)
        return False
    pane.show_status("")
    return True
