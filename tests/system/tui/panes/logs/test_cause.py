"""The offer of the first cause of a failed task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from testbed.tables import each
from testbed.tui.log_desk import marked_row, status
from testbed.tui.press import press
from testbed.waiting import DEADLINE_S, until
from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig
from flow_core.config_file import load_config
from flow_core.logs.failure_report import FailureCause, FailureReport
from flow_core.logs.log_id import LogId
from flow_tui.app import FlowApp
from flow_tui.failure_causes import describe_report
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.facts import FactRow
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.screens.dashboard import DashboardScreen

RANK_2_DIES = """\
echo "step 1 loss 2.31"
test "$NODE_RANK" = 2 || { sleep 0.5; echo "socketPollConnect: connect returned Connection refused"; exit 1; }
echo "Traceback (most recent call last):"
echo '  File "train.py", line 40, in step'
echo "ValueError: token 50300 is outside of the vocabulary"
exit 1
"""


@asynccontextmanager
async def failed_task(**fields: Any) -> AsyncIterator[tuple[LogsPane, Pilot[None]]]:
    """The logs pane in front, with the log of a task that has ended."""
    async with AsyncFlow("local") as flow:
        await (await flow.run(TaskConfig.parse({"name": "train", **fields}))).wait(DEADLINE_S)
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        dashboard = app.screen
        assert isinstance(dashboard, DashboardScreen)
        await until(lambda: dashboard.pane(TasksPane).selected)
        await dashboard.panes.wait_until_all_loaded()
        pane = dashboard.query_one(LogsPane)
        await press(pilot, "app.show_logs")
        await until(lambda: pane.has_focus_within and pane.border_subtitle)
        yield pane, pilot


def offer(pane: LogsPane) -> str:
    """The row of the cause; "" if it is hidden."""
    row = pane.cause
    return "".join(str(child.render()) for child in row.children) if row.display else ""  # type: ignore[attr-defined]


async def test_the_rank_that_died_first_is_offered_and_the_key_goes_to_its_line() -> None:
    async with failed_task(command=RANK_2_DIES, num_instances=4) as (pane, pilot):
        await until(lambda: offer(pane))
        assert offer(pane) == (
            "cause: rank 2: ValueError: token 50300 is outside of the vocabulary  press C to go there"
        )
        await press(pilot, "logs.cause")
        await until(lambda: marked_row(pane) == "ValueError: token 50300 is outside of the vocabulary")
        await until(lambda: "  rank 2  " in str(pane.border_title))
        assert offer(pane)
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: pane.is_merged)
        await press(pilot, "logs.cause")
        await until(lambda: marked_row(pane) == "ValueError: token 50300 is outside of the vocabulary")
        assert not pane.is_merged


async def test_the_offer_leaves_the_status_of_a_search_in_view_and_escape_removes_first_that_then_the_offer() -> None:
    async with failed_task(command=RANK_2_DIES) as (pane, pilot):
        await until(lambda: offer(pane))
        await press(pilot, "logs.search")
        await pilot.press(*"step", "enter")
        await until(lambda: status(pane))
        assert offer(pane)
        await pilot.press("escape")
        await until(lambda: not status(pane))
        assert offer(pane)
        await pilot.press("escape")
        await until(lambda: not offer(pane))
        await press(pilot, "logs.cause")
        await until(lambda: "Connection refused" in marked_row(pane))


async def test_a_failure_without_a_trace_says_so_and_a_task_that_ended_well_offers_nothing() -> None:
    async with failed_task(command="echo step 1; exit 3") as (pane, pilot):
        await until(lambda: offer(pane) == "no cause was found in the log")
        await press(pilot, "logs.cause")
        assert marked_row(pane) == ""
    async with failed_task(command="echo 'ValueError: survived'", name="well") as (pane, _):
        await until(lambda: pane.view.log_size)
        assert pane.cause._attempt is None


async def test_the_detail_of_the_task_shows_the_cause() -> None:
    async with failed_task(command=RANK_2_DIES, num_instances=3) as (pane, pilot):
        await press(pilot, "app.show_tasks", "tasks.detail")
        await until(lambda: isinstance(pane.app.screen, TaskDetail))
        detail = pane.app.screen
        assert isinstance(detail, TaskDetail)
        cause = FactRow("State", "cause", "rank 2: ValueError: token 50300 is outside of the vocabulary")
        await until(lambda: cause in detail.rows)


async def test_a_task_without_output_offers_nothing() -> None:
    async with failed_task(command="exit 3") as (pane, _):
        await until(lambda: pane.services.causes.get((*pane.services.selection.task.key, 0)))  # type: ignore[union-attr]
        assert offer(pane) == ""


async def test_the_sdk_finds_the_cause_in_the_logs_of_all_ranks() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig.parse({"name": "train", "command": RANK_2_DIES, "num_instances": 3}))
        await task.wait(DEADLINE_S)
        report = await flow.task_logs.find_cause(task.task_id)
        assert report.cause is not None
        assert (report.cause.rank, report.cause.log.rank, report.cause.kind) == (2, 2, "exception")
        assert len(report.read) == 3


@each(
    "report,sentence",
    [
        (FailureReport(None, (LogId("c", "t"),)), "no cause was found in the log"),
        (
            FailureReport(None, (LogId("c", "t"),), is_complete=False),
            "no cause was found in the log (only the last 64 MB were read)",
        ),
        (
            FailureReport(None, (LogId("c", "t"), LogId("c", "t", 0, 1)), (LogId("c", "t", 0, 2),)),
            "no cause was found in the logs of 3 ranks (not read completely: rank 2)",
        ),
        (
            FailureReport(FailureCause("exception", "E: x", 5, LogId("c", "t"), 7), (LogId("c", "t"),)),
            "cause: rank 5: E: x",
        ),
    ],
)
def test_the_sentence_says_what_was_not_read(report: FailureReport, sentence: str) -> None:
    assert describe_report(report, "rank") == sentence
