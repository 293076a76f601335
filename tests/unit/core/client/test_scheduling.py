"""Changes to queued tasks through the client: what passes the gate, and what is refused before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from testbed.fixed_cluster import NAME, WHERE, FixedCluster

from flow_core import providers
from flow_core.audit import AuditLog, Gate
from flow_core.client.flow import AsyncFlow
from flow_core.config import Context
from flow_core.errors import AuthError, ConfigError, NotFound, ReadOnly, Unsupported
from flow_core.models.scheduling import StartEstimate
from flow_core.models.task_config import TaskConfig


@pytest.fixture
async def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncFlow]:
    FixedCluster.forget()
    monkeypatch.setitem(providers.PROVIDERS, NAME, WHERE)
    gate = Gate(log=AuditLog(tmp_path / "actions.jsonl"))
    async with AsyncFlow(Context("cluster", NAME), gate=gate) as opened:
        yield opened


async def test_each_change_is_made_once_and_logged_with_its_command(flow: AsyncFlow) -> None:
    await flow.hold_task("4712")
    await flow.release_task("4713")
    await flow.requeue_task("4711")
    await flow.set_time_limit("4711", 1.5)
    await flow.tasks.signal("4711", "usr1")
    assert FixedCluster.changes == [
        ("hold", "4712"),
        ("release", "4713"),
        ("requeue", "4711"),
        ("set time limit", "4711", 1.5),
        ("signal", "4711", "SIGUSR1"),
    ]
    assert [(entry.verb, entry.call) for entry in reversed(flow.gate.log.read_recent())] == [
        ("hold", "scontrol hold 4712"),
        ("release", "scontrol release 4713"),
        ("requeue", "scontrol requeue 4711"),
        ("set time limit", "scontrol update JobId=4711 TimeLimit=90"),
        ("signal", "scancel --signal=USR1 4711"),
    ]


async def test_a_refusal_is_passed_on_and_logged(flow: AsyncFlow) -> None:
    FixedCluster.refusal = AuthError("only an operator may raise the time limit of a running task")
    with pytest.raises(AuthError, match="only an operator"):
        await flow.set_time_limit("4711", 100)
    assert flow.gate.log.read_recent()[0].result.startswith("only an operator")


async def test_while_read_only_nothing_is_changed_and_all_can_be_watched(flow: AsyncFlow) -> None:
    flow.gate.read_only = True
    for call in (flow.hold_task("4712"), flow.set_time_limit("4711", 1), flow.signal_task("4711", "HUP")):
        with pytest.raises(ReadOnly):
            await call
    assert FixedCluster.changes == []
    await flow.watch_everyone()
    assert "4700" in [task.task_id for task in await flow.list_tasks()]
    await flow.watch_everyone(False)
    assert "4700" not in [task.task_id for task in await flow.list_tasks()]


@pytest.mark.parametrize("hours", [0, -1, True, "2", float("nan"), float("inf"), 10**30])
async def test_a_time_limit_is_a_number_of_hours(flow: AsyncFlow, hours: Any) -> None:
    with pytest.raises(ConfigError, match=r"^hours: must be a number of hours above 0") as refused:
        await flow.set_time_limit("4711", hours)
    assert refused.value.field == "hours"


async def test_a_signal_and_a_task_must_exist(flow: AsyncFlow) -> None:
    with pytest.raises(ConfigError, match=r"^signal_name: 'WINCH' is none of SIGHUP, SIGINT"):
        await flow.signal_task("4711", "WINCH")
    with pytest.raises(NotFound):
        await flow.hold_task("1")
    assert FixedCluster.changes == []


async def test_a_start_is_estimated_for_whatever_run_takes(flow: AsyncFlow) -> None:
    FixedCluster.estimates = {"2xa100": StartEstimate(datetime(2026, 3, 1, tzinfo=UTC), ("node-1",), "gpu")}
    for task in ("python train.py", ["python", "train.py"]):
        assert await flow.estimate_start(task, instance_type="2xa100") == FixedCluster.estimates["2xa100"]
    config = TaskConfig.parse({"command": "true", "instance_type": "cpu"})
    assert await flow.estimate_start(config) is None


async def test_volumes_that_are_only_listed_are_listed_and_not_changed(flow: AsyncFlow) -> None:
    assert [volume.path for volume in await flow.list_volumes()] == ["/scratch/ana", "/home/ana", "/work/project"]
    for call in (flow.create_volume(1), flow.delete_volume("home"), flow.attach_volume("home", "4711")):
        with pytest.raises(Unsupported, match=r"^context 'cluster' only lists volumes"):
            await call
    assert flow.gate.log.read_recent() == ()


async def test_the_elements_of_an_array_are_those_of_its_record(flow: AsyncFlow) -> None:
    task = await flow.get_task("4711")
    assert len(task.elements) == 30
    assert (task.elements[8].index, task.elements[8].exit_code) == (8, 3)
