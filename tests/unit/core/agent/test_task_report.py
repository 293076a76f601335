"""A report of a task survives a round trip through JSON, and an invalid one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testbed.tables import each

from flow_core.agent.layout import Layout
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.spec import ContainerPlan, GpuPlan, StoredSpec
from flow_core.agent.task_report import MountedVolume, TaskReport
from flow_core.agent.task_state import TaskState
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.over_agent.task_conversion import to_record

TASK = Layout(Path("/state/local/machine"), "lab").task("task_aaaaaaaaaa")
VOLUME = MountedVolume("vol_aaaaaaaaaa", "data", "/data")
SPEC = StoredSpec(
    name="train",
    command_line="python train.py",
    mark="m",
    created_at=1.5,
    ranks=2,
    gpus=GpuPlan(instance_type="2xa100", type="a100", per_rank=2, reservation="res_1"),
    owner="ada",
    ports=(80,),
    config={"command": "python train.py"},
    working_dir="/work",
    container=ContainerPlan({"name": "podman"}),
    seq=7,
)
BROKEN = TaskReport(TASK.task_id, TASK.task_id, "running", message="why", volumes=(VOLUME,), is_broken=True)


def _report() -> TaskReport:
    state = TaskState()
    state.status, state.started_at, state.attempt, state.gpus = "running", 2.5, 1, ["0", "1"]
    state.children = [ProcessIdentity(pid, "1", "boot") for pid in (10, 11)]
    return TaskReport.of(TASK, SPEC, state, [VOLUME], "said")


def _sent(report: TaskReport) -> Any:
    return json.loads(json.dumps(report._asdict()))


@each("report", [_report(), BROKEN], ids=["whole", "broken"])
def test_it_survives_a_round_trip_through_json(report):
    assert TaskReport.parse(_sent(report)) == report


@each("wrong", [True, -1, 1e300, float("nan"), {"a": []}, [None], [["vol"]], "\x1b", None])
@each("name", TaskReport._fields)
def test_an_arbitrary_field_is_either_accepted_or_named_in_the_error(name, wrong):
    parsed = _parse({**_sent(_report()), name: wrong})
    if isinstance(parsed, str):
        assert name in parsed
    else:
        to_record(parsed, "lab", "here")


def _parse(data: Any) -> TaskReport | str:
    try:
        return TaskReport.parse(data)
    except ValueError as error:
        return str(error)


@each("data", [None, [], "text", {}, {"task_id": "../../x"}])
def test_anything_but_a_report_is_refused(data):
    with pytest.raises(ValueError, match="must be"):
        TaskReport.parse(data)


def test_a_record_has_the_facts_of_the_report():
    record = to_record(_report(), "lab", "here")
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


def test_a_record_of_a_broken_task_has_only_the_known_facts():
    volumes = (VolumeMount("vol_aaaaaaaaaa", "data", "/data"),)
    assert to_record(BROKEN, "lab", "here") == TaskRecord(
        "lab", TASK.task_id, TASK.task_id, TaskStatus.RUNNING, message="why", volumes=volumes
    )
