"""Sets the filters of the log in the pane, and goes from error to error."""

from __future__ import annotations

from flow_core.errors import FlowError
from flow_core.logs.filtered.line_filter import LineFilter
from flow_core.logs.search.query import SearchQuery
from flow_tui.panes.logs.open_log import OpenLog


def add_filter(pane: OpenLog, text: str, *, is_literal: bool, hides: bool) -> None:
    """Keeps only the lines with this text, or hides them. Without text, drops the filters of this kind."""
    filters = pane.view.filters
    if text:
        pane.view.filters = filters.add(LineFilter(SearchQuery(text, is_literal), hides))
    else:
        pane.view.filters = filters.drop(hides=hides)


async def cycle_level(pane: OpenLog) -> None:
    """Shows warnings and errors only, then errors only, then all lines again."""
    pane.view.filters = pane.view.filters.cycle_level()


def change_context(pane: OpenLog, by: int) -> None:
    """Shows more or fewer lines around each line that the filters keep."""
    pane.view.filters = pane.view.filters.set_context(pane.view.filters.context + by)


async def step_to_error(pane: OpenLog, by: int) -> None:
    """Goes to the next error, or to the previous one if `by` is -1. Says if there is none."""
    log = pane.view.merged or pane.files
    if log is None:
        return
    try:
        offset = await pane.errors.find(pane.view, log, by)
    except FlowError as error:
        pane.show_status(error.message, is_problem=True)
        return
    if offset is None:
        pane.show_status(f"no error {'after' if by > 0 else 'before'} this line")
    else:
        pane.show_status("")
        pane.view.go_to(offset)
