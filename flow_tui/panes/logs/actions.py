"""The actions of the logs pane: their keys and texts, and why one can't be done now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action
from flow_tui.panes.logs.analysis_actions import ANALYSIS_ACTIONS
from flow_tui.panes.logs.reading_actions import READING_ACTIONS
from flow_tui.panes.logs.row_kind import RowKind
from flow_tui.panes.logs.text_actions import TEXT_ACTIONS
from flow_tui.services import Services

if TYPE_CHECKING:
    from typing import Protocol

    from flow_tui.widgets.log.merged_view import MergedLogView

    class _Logs(Protocol):
        """The parts of the pane that the actions need."""

        view: MergedLogView
        services: Services

        def open_row(self, kind: RowKind) -> None: ...

        def copy_selection(self) -> None: ...

        def toggle_wrap(self) -> None: ...

        def toggle_time(self) -> None: ...

        def toggle_redraws(self) -> None: ...

        def cycle_stream(self) -> None: ...

        async def step(self, by: int) -> None: ...

        async def toggle_ranks(self) -> None: ...

        async def merge_task(self) -> None: ...

        def hide_rank(self) -> None: ...

    LogAction = Action[_Logs]
else:
    LogAction = Action


def _check_task(pane: _Logs) -> str | None:
    return "no task is selected" if pane.services.selection.task is None else None


async def _show_previous(pane: _Logs) -> None:
    await pane.step(-1)


async def _show_next(pane: _Logs) -> None:
    await pane.step(1)


async def _toggle_ranks(pane: _Logs) -> None:
    await pane.toggle_ranks()


async def _merge_task(pane: _Logs) -> None:
    await pane.merge_task()


def _check_merged(pane: _Logs) -> str | None:
    return "only one log is shown" if pane.view.merged is None else None


_SCROLLING: tuple[Action[Any], ...] = (
    LogAction(
        "logs.scroll_down", "j,down", "line down", "Scroll one line down", lambda pane: pane.view.action_scroll_down()
    ),
    LogAction("logs.scroll_up", "k,up", "line up", "Scroll one line up", lambda pane: pane.view.action_scroll_up()),
    LogAction(
        "logs.scroll_home", "g,home", "first line", "Go to the first line", lambda pane: pane.view.action_scroll_home()
    ),
    LogAction(
        "logs.page_down",
        "pagedown,space",
        "page down",
        "Scroll one page down",
        lambda pane: pane.view.action_page_down(),
    ),
    LogAction("logs.page_up", "pageup", "page up", "Scroll one page up", lambda pane: pane.view.action_page_up()),
    LogAction(
        "logs.scroll_left",
        "left",
        "scroll left",
        "Scroll to the left, where lines are cut",
        lambda pane: pane.view.action_scroll_left(),
    ),
    LogAction(
        "logs.scroll_right",
        "right",
        "scroll right",
        "Scroll to the right, where lines are cut",
        lambda pane: pane.view.action_scroll_right(),
    ),
    LogAction(
        "logs.line_start",
        "0",
        "line start",
        "Scroll to the left as far as possible",
        lambda pane: pane.view.action_line_start(),
    ),
    LogAction(
        "logs.line_end",
        "dollar_sign",
        "line end",
        "Scroll to the right, to the end of the longest line in view",
        lambda pane: pane.view.action_line_end(),
    ),
    LogAction(
        "logs.half_page_down",
        "ctrl+d",
        "half page down",
        "Scroll half a page down",
        lambda pane: pane.view.action_half_page_down(),
    ),
    LogAction(
        "logs.half_page_up",
        "ctrl+u",
        "half page up",
        "Scroll half a page up",
        lambda pane: pane.view.action_half_page_up(),
    ),
)

ACTIONS: tuple[Action[Any], ...] = (
    *_SCROLLING,
    LogAction(
        "logs.follow",
        "f,G,end",
        "follow",
        "Go to the end and follow the log",
        lambda pane: pane.view.action_follow(),
        in_footer=True,
    ),
    LogAction(
        "logs.search",
        "slash",
        "search",
        "Search for text or a regular expression",
        lambda pane: pane.open_row(RowKind.SEARCH),
        in_footer=True,
    ),
    LogAction(
        "logs.next_match",
        "n",
        "next",
        "Go to the next match",
        lambda pane: pane.view.action_next_match(),
        in_footer=True,
    ),
    LogAction(
        "logs.previous_match",
        "N",
        "previous",
        "Go to the previous match",
        lambda pane: pane.view.action_previous_match(),
    ),
    LogAction(
        "logs.toggle_wrap", "w", "wrap", "Wrap long lines, or cut them", lambda pane: pane.toggle_wrap(), in_footer=True
    ),
    LogAction(
        "logs.toggle_time",
        "t",
        "time",
        "Show when each line was written",
        lambda pane: pane.toggle_time(),
        in_footer=True,
    ),
    LogAction(
        "logs.toggle_delta",
        "T",
        "time between",
        "Show the seconds between each line and the line above it",
        lambda pane: pane.view.action_toggle_delta(),
    ),
    LogAction(
        "logs.cycle_stream",
        "S",
        "stream",
        "Switch between both streams, stdout and stderr; ▌ marks stderr",
        lambda pane: pane.cycle_stream(),
        in_footer=True,
    ),
    LogAction(
        "logs.toggle_redraws",
        "x",
        "redraws",
        "Show every redraw of progress bars as it came, or their last state only",
        lambda pane: pane.toggle_redraws(),
    ),
    LogAction(
        "logs.previous_log",
        "left_parenthesis",
        "previous log",
        "Show the log of the previous rank or attempt",
        _show_previous,
        _check_task,
    ),
    LogAction(
        "logs.next_log",
        "right_parenthesis",
        "next log",
        "Show the log of the next rank or attempt",
        _show_next,
        _check_task,
    ),
    LogAction(
        "logs.toggle_ranks",
        "a",
        "all ranks",
        "Show all ranks in one view, ordered by time, or one rank",
        _toggle_ranks,
        _check_task,
    ),
    LogAction(
        "logs.merge_task",
        "M",
        "merge",
        "Show the logs of another task in the same view, or remove them again",
        _merge_task,
        _check_task,
    ),
    LogAction(
        "logs.hide_rank",
        "H",
        "hide rank",
        "Hide the rank of the current line",
        lambda pane: pane.hide_rank(),
        _check_merged,
    ),
    LogAction(
        "logs.show_all_ranks",
        "A",
        "show ranks",
        "Show the hidden ranks again",
        lambda pane: pane.view.show_all_logs(),
        _check_merged,
    ),
    LogAction(
        "logs.order_by_time",
        "equals_sign",
        "order",
        "Order lines that came late by their times",
        lambda pane: pane.view.action_order_by_time(),
        _check_merged,
    ),
    *ANALYSIS_ACTIONS,
    *READING_ACTIONS,
    *TEXT_ACTIONS,
)
