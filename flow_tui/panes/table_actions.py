"""The actions of every pane with a table: moving the cursor, filtering, sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action

if TYPE_CHECKING:
    from flow_tui.panes.table_pane import TablePane
    from flow_tui.services import Services

    TableAction = Action[TablePane[Any]]
else:
    TableAction = Action


def move_actions(noun: str) -> tuple[TableAction, ...]:
    return (
        TableAction(
            f"{noun}.cursor_down", "j,down", "next row", "Go one row down", lambda pane: pane.table.action_cursor_down()
        ),
        TableAction(
            f"{noun}.cursor_up", "k,up", "previous row", "Go one row up", lambda pane: pane.table.action_cursor_up()
        ),
        TableAction(
            f"{noun}.first", "g,home", "first row", "Go to the first row", lambda pane: pane.table.action_first()
        ),
        TableAction(f"{noun}.last", "G,end", "last row", "Go to the last row", lambda pane: pane.go_to_last()),
        TableAction(
            f"{noun}.page_down", "pagedown", "page down", "Go one page down", lambda pane: pane.table.action_page_down()
        ),
        TableAction(f"{noun}.page_up", "pageup", "page up", "Go one page up", lambda pane: pane.table.action_page_up()),
    )


def filter_action(noun: str, tooltip: str) -> TableAction:
    return TableAction(f"{noun}.filter", "slash", "filter", tooltip, lambda pane: pane.open_filter(), in_footer=True)


def sort_actions(noun: str) -> tuple[TableAction, ...]:
    return (
        TableAction(f"{noun}.sort", "o", "sort", "Sort by the next visible column", lambda pane: pane.sort_by_next()),
        TableAction(
            f"{noun}.reverse_sort", "O", "reverse order", "Reverse the sort order", lambda pane: pane.reverse_sort()
        ),
    )


def explain_no_selection(services: Services, noun: str, action_id: str, verb: str) -> str:
    """Returns the reason that no row is selected, with the key that creates one unless the dashboard is read-only."""
    hint = "" if services.is_read_only else f"; press {services.keys.written(action_id)} to {verb} one"
    return f"no {noun} is selected{hint}"
