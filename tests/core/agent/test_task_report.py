"""A report of a task says the same after a way as JSON, and one that says anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flow_core.agent.layout import Layout
from flow_core.agent.spec import ContainerPlan, GpuPlan, TaskSpec
from flow_core.agent.state import State
from flow_core.agent.supervisor.processes import Identity
from flow_core.agent.task_report import MountedVolume, TaskReport
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.over_agent.task_records import record_of

TASK = Layout(Path("/state/local/machine"), "lab").task("task_aaaaaaaaaa")
VOLUME = MountedVolume("vol_aaaaaaaaaa", "data", "/data")
SPEC = TaskSpec(
    name="train",
    command_line="python train.py",
    mark="m",
    created_at=1.5,
    ranks=2,
    gpus=GpuPlan(wanted="2xa100", type="a100", per_rank=2, reservation="res_1"),
    owner="ada",
    ports=(80,),
    config={"command": "python train.py"},
    working_dir="/work",
    container=ContainerPlan({"name": "podman"}),
    seq=7,
)
BROKEN = TaskReport(TASK.task_id, TASK.task_id, "running", message="why", volumes=(VOLUME,), is_broken=True)


def _report() -> TaskReport:
    state = State()
    state.status, state.started_at, state.attempt, state.gpus = "running", 2.5, 1, ["0", "1"]
    state.children = [Identity(pid, "1", "boot") for pid in (10, 11)]
    return TaskReport.of(TASK, SPEC, state, [VOLUME], "said")


def _sent(report: TaskReport) -> Any:
    return json.loads(json.dumps(report._asdict()))


@pytest.mark.parametrize("report", [_report(), BROKEN], ids=["whole", "broken"])
def test_it_is_the_same_after_a_way_as_json(report):
    assert TaskReport.parse(_sent(report)) == report


@pytest.mark.parametrize("wrong", [True, -1, 1e300, float("nan"), {"a": []}, [None], [["vol"]], "\x1b", None])
@pytest.mark.parametrize("name", TaskReport._fields)
def test_a_field_that_can_be_anything_is_either_taken_or_named(name, wrong):
    taken = _parsed({**_sent(_report()), name: wrong})
    if isinstance(taken, str):
        assert name in taken
    else:
        record_of(taken, "lab", "here")


def _parsed(data: Any) -> TaskReport | str:
    try:
        return TaskReport.parse(data)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("data", [None, [], "text", {}, {"task_id": "../../x"}])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(ValueError, match="must be"):
        TaskReport.parse(data)


def test_a_record_says_what_the_report_says():
    record = record_of(_report(), "lab", "here")
    assert (record.context, record.task_id, record.status, record.region) == ("lab", TASK.task_id, "running", "here")
    assert (record.num_instances, record.gpu_type, record.gpu_count, record.attempt) == (2, "a100", 2, 1)
    assert record.created_at is not None
    assert record.created_at.timestamp() == 1.5
    assert (record.volumes, record.endpoints) == (
        (VolumeMount("vol_aaaaaaaaaa", "data", "/data"),),
        {"80": "http://127.0.0.1:80"},
    )
    assert record.provider_metadata == {
        "folder": str(TASK.path),
        "working_dir": "/work",
        "pid": 10,
        "pids": (10, 11),
        "gpus": ("0", "1"),
        "reservation": "res_1",
        "engine": "podman",
        "containers": (f"flow-{TASK.task_id}-1-0", f"flow-{TASK.task_id}-1-1"),
    }


def test_of_a_broken_task_a_record_says_no_more_than_is_known():
    volumes = (VolumeMount("vol_aaaaaaaaaa", "data", "/data"),)
    assert record_of(BROKEN, "lab", "here") == TaskRecord(
        "lab", TASK.task_id, TASK.task_id, TaskStatus.RUNNING, message="why", volumes=volumes
    )
