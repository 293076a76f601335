"""The actions of the logs pane that choose lines: filters, errors, folds, and the fields of a line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.logs.log_checks import check_few_logs, check_one_log
from flow_tui.panes.logs.row_kind import RowKind

if TYPE_CHECKING:
    from flow_tui.panes.logs import filtering
    from flow_tui.panes.logs.open_log import OpenLog

    ReadingAction = Action[OpenLog]
else:
    ReadingAction = Action
    filtering = LazyModule("flow_tui.panes.logs.filtering")


def _check_context(pane: OpenLog) -> str | None:
    if any(not one.hides for one in pane.view.filters.filters):
        return None
    return f"no filter keeps lines; {pane.services.keys.written('logs.keep_lines')} sets one"


async def _step(by: int, pane: OpenLog) -> None:
    await filtering.step_to_error(pane, by)


def _change_context(by: int, pane: OpenLog) -> None:
    filtering.change_context(pane, by)


READING_ACTIONS: tuple[Action[Any], ...] = (
    ReadingAction("logs.next_error", "e", "next error", "Go to the next error", partial(_step, 1), check_few_logs),
    ReadingAction(
        "logs.previous_error", "E", "previous error", "Go to the previous error", partial(_step, -1), check_few_logs
    ),
    ReadingAction(
        "logs.keep_lines",
        "ampersand",
        "keep lines",
        "Show only the lines with a text; enter alone shows all again",
        lambda pane: pane.open_row(RowKind.KEEP),
        check_few_logs,
    ),
    ReadingAction(
        "logs.hide_lines",
        "circumflex_accent",
        "hide lines",
        "Hide the lines with a text; enter alone shows them again",
        lambda pane: pane.open_row(RowKind.HIDE),
        check_few_logs,
    ),
    ReadingAction(
        "logs.cycle_level",
        "W",
        "levels",
        "Show warnings and errors only, errors only, or all lines",
        defer(lambda: filtering.cycle_level),
        check_few_logs,
    ),
    ReadingAction(
        "logs.more_context",
        "greater_than_sign",
        "more around",
        "Show one more line around each line that a filter keeps",
        partial(_change_context, 1),
        _check_context,
    ),
    ReadingAction(
        "logs.less_context",
        "less_than_sign",
        "less around",
        "Show one line less around each line that a filter keeps",
        partial(_change_context, -1),
        _check_context,
    ),
    ReadingAction(
        "logs.toggle_folds",
        "Z",
        "fold",
        "Fold tracebacks and dumps to their first line and their summary, or show all lines",
        lambda pane: pane.view.action_toggle_folds(),
        check_one_log,
    ),
    ReadingAction(
        "logs.toggle_readable",
        "J",
        "fields",
        "Show lines of JSON, logfmt and dicts in columns, or as they are",
        lambda pane: pane.view.action_toggle_readable(),
        check_one_log,
    ),
    ReadingAction(
        "logs.unfold",
        "enter",
        "unfold",
        "Open the fold or the fields of the current line; again closes them",
        lambda pane: pane.view.action_unfold(),
        check_one_log,
    ),
)
