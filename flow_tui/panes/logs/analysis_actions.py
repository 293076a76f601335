"""The actions of the logs pane that explain a run: the first cause of its failure, the comparison with another run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.logs.log_checks import check_one_log

if TYPE_CHECKING:
    from flow_tui.panes.logs import comparing
    from flow_tui.panes.logs.open_log import OpenLog

    AnalysisAction = Action[OpenLog]
else:
    AnalysisAction = Action
    comparing = LazyModule("flow_tui.panes.logs.comparing")


def _check_cause(pane: OpenLog) -> str | None:
    return "no cause of a failure was found in the logs of this task" if pane.cause.found is None else None


def _go_to_cause(pane: OpenLog) -> None:
    if (cause := pane.cause.found) is not None:
        pane.go_to_line(cause.log, cause.offset)


ANALYSIS_ACTIONS: tuple[Action[Any], ...] = (
    AnalysisAction(
        "logs.cause",
        "C",
        "cause",
        "Go to the first cause of the failure of this task",
        _go_to_cause,
        _check_cause,
    ),
    AnalysisAction(
        "logs.compare",
        "D",
        "compare",
        "Compare this log by line with that of another task",
        defer(lambda: comparing.compare_logs),
        check_one_log,
    ),
)
