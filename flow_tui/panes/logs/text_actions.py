"""The actions of the logs pane for its text: to go to a place, to bookmark, to copy, to save, to open and to pipe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.logs.log_checks import check_one_log, check_shown
from flow_tui.panes.logs.row_kind import RowKind

if TYPE_CHECKING:
    from flow_tui.panes.logs import bookmarking, exporting
    from flow_tui.panes.logs.open_log import OpenLog

    TextAction = Action[OpenLog]
else:
    TextAction = Action
    bookmarking = LazyModule("flow_tui.panes.logs.bookmarking")
    exporting = LazyModule("flow_tui.panes.logs.exporting")


async def _step_bookmark(by: int, pane: OpenLog) -> None:
    await bookmarking.step_bookmark(pane, by)


TEXT_ACTIONS: tuple[Action[Any], ...] = (
    TextAction(
        "logs.go_to",
        "colon",
        "go to",
        "Go to a line or a time: 120, 14:05, 2026-01-02 14:05, -10m",
        lambda pane: pane.open_row(RowKind.GO_TO),
        check_shown,
    ),
    TextAction(
        "logs.select_lines",
        "V",
        "select lines",
        "Select lines; the keys that scroll extend the selection",
        lambda pane: pane.select_lines(),
        check_shown,
    ),
    TextAction(
        "logs.copy",
        "y",
        "copy",
        "Copy the selected text, or the current line",
        lambda pane: pane.copy_selection(),
        check_shown,
    ),
    TextAction(
        "logs.bookmark",
        "m",
        "bookmark",
        "Bookmark the current line, or remove its bookmark",
        defer(lambda: bookmarking.toggle_bookmark),
        check_one_log,
    ),
    TextAction(
        "logs.bookmarks",
        "apostrophe",
        "bookmarks",
        "List the bookmarks of this log and go to one",
        defer(lambda: bookmarking.pick_bookmark),
        check_one_log,
    ),
    TextAction(
        "logs.next_bookmark",
        "right_square_bracket",
        "next bookmark",
        "Go to the next bookmark",
        partial(_step_bookmark, 1),
        check_one_log,
    ),
    TextAction(
        "logs.previous_bookmark",
        "left_square_bracket",
        "earlier bookmark",
        "Go to the previous bookmark",
        partial(_step_bookmark, -1),
        check_one_log,
    ),
    TextAction(
        "logs.save",
        "s",
        "save",
        "Save the selected lines, the shown text or the whole log to a file",
        defer(lambda: exporting.save_log),
        check_shown,
    ),
    TextAction(
        "logs.open",
        "o",
        "open",
        "Open the log in $PAGER or $EDITOR at the current line",
        defer(lambda: exporting.open_log),
        check_one_log,
    ),
    TextAction(
        "logs.pipe",
        "vertical_line",
        "pipe",
        "Run a shell command on the text and show its output",
        lambda pane: pane.open_row(RowKind.PIPE),
        check_shown,
        changes=True,
    ),
)
