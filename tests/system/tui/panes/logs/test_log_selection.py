"""Going through the logs of one task: its ranks and its attempts."""

from __future__ import annotations

from dataclasses import replace

from testbed.tui.press import press
from testbed.tui.task_logs import first_line, logs_of
from testbed.waiting import until

from flow_core.logs.log_id import LogId
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_tui.panes.logs.log_selection import describe_log

TASK = TaskRecord("local", "task_a", "train", TaskStatus.RUNNING)


async def test_the_keys_go_through_the_ranks_and_round_again() -> None:
    async with logs_of(command="echo this is $NODE_RANK", num_instances=3) as (pane, pilot):
        await until(lambda: first_line(pane) == "this is 0")
        assert "  rank 0  " in str(pane.border_title)
        for action, rank in (("next", 1), ("next", 2), ("next", 0), ("previous", 2), ("previous", 1)):
            await press(pilot, f"logs.{action}_log")
            await until(lambda rank=rank: first_line(pane) == f"this is {rank}")  # type: ignore[misc]
            await until(lambda rank=rank: f"  rank {rank}  " in str(pane.border_title))  # type: ignore[misc]


async def test_the_newest_attempt_is_shown_first_and_the_older_ones_are_reached() -> None:
    fields = {"command": 'echo "in $FLOW_TASK_DIR"; exit 1', "retries": {"max_retries": 2, "delay_s": 0.0}}
    async with logs_of(**fields) as (pane, pilot):
        await until(lambda: "attempt 3" in str(pane.border_title))
        for action, attempt in (("previous", 2), ("previous", 1), ("next", 2), ("next", 3)):
            await press(pilot, f"logs.{action}_log")
            await until(lambda attempt=attempt: f"  attempt {attempt}  " in str(pane.border_title))  # type: ignore[misc]


async def test_a_task_with_one_log_says_so_and_its_border_tells_no_rank() -> None:
    async with logs_of(command="echo hello") as (pane, pilot):
        await press(pilot, "logs.next_log")
        await until(lambda: [one for one in pane.app._notifications if "one log only" in one.message])
        assert "rank" not in str(pane.border_title)


def test_ranks_and_attempts_are_named_only_where_there_are_several() -> None:
    address = LogId("local", "task_a", 1, 2)
    assert describe_log(TASK, LogId("local", "task_a")) == ""
    assert describe_log(replace(TASK, num_instances=4), address) == "rank 2"
    assert describe_log(replace(TASK, num_instances=4, attempt=1), address) == "rank 2  attempt 2"
    elements = (ArrayElement(1, TaskStatus.RUNNING), ArrayElement(2, TaskStatus.RUNNING))
    assert describe_log(replace(TASK, elements=elements), LogId("local", "task_a", 0, 2)) == "element 2"
