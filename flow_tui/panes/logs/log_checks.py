"""Why an action can't be done with the log that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_tui.panes.logs.open_log import OpenLog

MOST_SEARCHED_LOGS = 16
"""Each log that is filtered, or searched for errors, has a child process."""


def check_shown(pane: OpenLog) -> str | None:
    """For actions with one log or several."""
    return "no log is shown" if pane.files is None and not pane.is_merged else None


def check_one_log(pane: OpenLog) -> str | None:
    """For actions with one log only."""
    if pane.is_merged:
        return f"this needs the log of one rank; press {pane.services.keys.written('logs.toggle_ranks')} first"
    return check_shown(pane)


def check_few_logs(pane: OpenLog) -> str | None:
    """For actions that need a child process for each log."""
    if pane.is_merged and pane.view.shown_count > MOST_SEARCHED_LOGS:
        key = pane.services.keys.written("logs.hide_rank")
        return f"this needs {MOST_SEARCHED_LOGS} logs or fewer; {key} hides the log of the current line"
    return check_shown(pane)
