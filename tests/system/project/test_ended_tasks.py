"""The ended tasks that the benchmarks list: thousands of records, written without running a task for each."""

from __future__ import annotations

import pytest
from bench.ended_tasks import APART_S, ended_world
from bench.world import running

from flow_core import Flow


def test_ended_tasks_are_listed_with_their_logs_and_below_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOW_BENCH_SHARED", raising=False)
    with ended_world(30), running(["now"]), Flow("local") as flow:
        first, *ended = flow.list_tasks(limit=100)
        assert (first.name, first.status) == ("now", "running")
        assert [task.name for task in ended] == [f"past-{number}" for number in range(29, -1, -1)]
        assert {task.status for task in ended} == {"completed"}
        assert len({task.task_id for task in ended}) == 30
        newest, next_one = (task.created_at for task in ended[:2])
        assert (newest - next_one).total_seconds() == pytest.approx(APART_S)
        assert "step 5 loss 0.5" in flow.logs(ended[7].task_id)


def test_parts_of_one_run_share_a_world(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("FLOW_BENCH_SHARED", str(tmp_path))
    with ended_world(3) as first, Flow("local") as flow:
        ids = {task.task_id for task in flow.list_tasks()}
    with ended_world(3) as second, Flow("local") as flow:
        assert second == first
        assert {task.task_id for task in flow.list_tasks()} == ids
