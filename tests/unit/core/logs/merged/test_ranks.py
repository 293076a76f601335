"""The order of the ranks of a task."""

from __future__ import annotations

from flow_core.logs.log_id import LogId
from flow_core.logs.merged.ranks import find_failing_rank, sort_log_ids
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus

IDS = [LogId("local", "t", 0, rank) for rank in range(4)]


def task(status: TaskStatus, message: str = "", elements: tuple[ArrayElement, ...] = ()) -> TaskRecord:
    return TaskRecord("local", "t", "train", status, num_instances=4, message=message, elements=elements)


def test_the_failing_rank_comes_first() -> None:
    failed = task(TaskStatus.FAILED, "rank 2 exited with 1")
    assert find_failing_rank(failed) == 2
    assert [log_id.rank for log_id in sort_log_ids(reversed(IDS), failed)] == [2, 0, 1, 3]


def test_ranks_come_in_order_if_none_failed_or_it_is_not_known_which() -> None:
    for record in (task(TaskStatus.RUNNING, "rank 2 is slow"), task(TaskStatus.FAILED, "out of time")):
        assert find_failing_rank(record) is None
        assert [log_id.rank for log_id in sort_log_ids(reversed(IDS), record)] == [0, 1, 2, 3]


def test_the_first_failed_element_of_an_array_comes_first() -> None:
    states = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.RUNNING, TaskStatus.FAILED)
    array = task(TaskStatus.RUNNING, elements=tuple(ArrayElement(index, one) for index, one in enumerate(states)))
    assert [log_id.rank for log_id in sort_log_ids(IDS, array)] == [1, 0, 2, 3]
