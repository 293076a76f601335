"""The actions of the logs pane for its text: to go to a place, to bookmark, to copy, to save, to open and to pipe."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.logs.row_kind import RowKind

if TYPE_CHECKING:
    from flow_tui.panes.logs import bookmarking, exporting
    from flow_tui.panes.logs.open_log import OpenLog

    TextAction = Action[OpenLog]
else:
    TextAction = Action
    bookmarking = LazyModule("flow_tui.panes.logs.bookmarking")
    exporting = LazyModule("flow_tui.panes.logs.exporting")


def _check_text(pane: OpenLog) -> str | None:
    return "no log is shown" if pane.files is None and not pane.is_merged else None


def _check_log(pane: OpenLog) -> str | None:
    if pane.is_merged:
        return f"show one rank first, with {pane.services.keys.written('logs.toggle_ranks')}"
    return "no log is shown" if pane.files is None else None


async def _step_bookmark(by: int, pane: OpenLog) -> None:
    await bookmarking.step_bookmark(pane, by)


TEXT_ACTIONS: tuple[Action[Any], ...] = (
    TextAction(
        "logs.go_to",
        "colon",
        "go to",
        "Go to a line or a time: 120, 14:05, 2026-01-02 14:05, -10m",
        lambda pane: pane.open_row(RowKind.GO_TO),
        _check_text,
    ),
    TextAction(
        "logs.select_lines",
        "V",
        "select lines",
        "Select lines; the keys that scroll extend the selection",
        lambda pane: pane.select_lines(),
        _check_text,
    ),
    TextAction(
        "logs.copy",
        "y",
        "copy",
        "Copy the selected text, or the current line",
        lambda pane: pane.copy_selection(),
        _check_text,
    ),
    TextAction(
        "logs.bookmark",
        "m",
        "bookmark",
        "Bookmark the current line, or remove its bookmark",
        defer(lambda: bookmarking.toggle_bookmark),
        _check_log,
    ),
    TextAction(
        "logs.bookmarks",
        "apostrophe",
        "bookmarks",
        "List the bookmarks of this log and go to one",
        defer(lambda: bookmarking.pick_bookmark),
        _check_log,
    ),
    TextAction(
        "logs.next_bookmark",
        "right_square_bracket",
        "next bookmark",
        "Go to the next bookmark",
        partial(_step_bookmark, 1),
        _check_log,
    ),
    TextAction(
        "logs.previous_bookmark",
        "left_square_bracket",
        "last bookmark",
        "Go to the previous bookmark",
        partial(_step_bookmark, -1),
        _check_log,
    ),
    TextAction(
        "logs.save",
        "s",
        "save",
        "Save the selected lines, the shown text or the whole log to a file",
        defer(lambda: exporting.save_log),
        _check_text,
    ),
    TextAction(
        "logs.open",
        "o",
        "open",
        "Open the log in $PAGER or $EDITOR at the current line",
        defer(lambda: exporting.open_log),
        _check_log,
    ),
    TextAction(
        "logs.pipe",
        "vertical_line",
        "pipe",
        "Run a shell command on the text and show its output",
        lambda pane: pane.open_row(RowKind.PIPE),
        _check_text,
        changes=True,
    ),
)
