"""The records of tasks that are Slurm jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from testbed.tables import each

from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns
from flow_core.providers.slurm.queue.record_cache import RecordCache
from flow_core.providers.slurm.queue.run_status import RunStatus
from flow_core.providers.slurm.run_folder import Submission
from flow_core.providers.slurm.task_conversion import Surroundings, build_task_record

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SURROUNDINGS = Surroundings(
    "lab", own_user="ada", own_uid="1001", unusable_nodes={"n2": ("draining*", "bad GPU"), "n4": ("DOWN*", "")}
)
JOB = Job(
    job_id="12",
    state="RUNNING",
    user="ada",
    name="train",
    partition="gpu",
    account="lab",
    qos="normal",
    node_count=2,
    node_list=("n1", "n3"),
    gpu_count=8,
    gpu_type="a100",
    cpu_count=16,
    memory_mb=4096,
    time_limit_s=7200,
    submitted_at=AT,
    started_at=AT + timedelta(minutes=5),
    work_dir="/home/ada",
    script_path="/home/ada/train.sh x",
)
SUBMISSION = Submission(
    "/flow/runs/abcdef012345",
    "mine",
    "python train.py",
    {"command": "python train.py"},
    submitted_at=AT.timestamp() - 1,
)
ELEMENT = replace(JOB, job_id="20", array_id="20", array_index=0, node_count=1, gpu_count=1, node_list=("n1",))


def convert(*jobs: Job, **more: Any) -> TaskRecord:
    return build_task_record(jobs, SURROUNDINGS, now=AT, **more)


def test_a_job_is_a_task() -> None:
    assert convert(JOB) == TaskRecord(
        context="lab",
        task_id="12",
        name="train",
        status=TaskStatus.RUNNING,
        command="/home/ada/train.sh x",
        created_at=AT,
        started_at=AT + timedelta(minutes=5),
        instance_type="4xa100",
        num_instances=2,
        gpu_type="a100",
        gpu_count=4,
        region="gpu",
        owner="ada",
        instances=("n1", "n3"),
        created_by="ada",
        time_limit_s=7200,
        provider_metadata={
            "state": "RUNNING",
            "account": "lab",
            "qos": "normal",
            "nodes": "n1, n3",
            "cpus": 16,
            "memory_mb_per_node": 4096,
            "working_dir": "/home/ada",
        },
    )


def test_a_run_of_flow_shows_what_was_submitted() -> None:
    record = convert(JOB, submission=SUBMISSION, run_status=RunStatus(2, AT))
    assert (record.name, record.command, record.config) == ("mine", "python train.py", SUBMISSION.config)
    assert (record.attempt, record.created_at) == (2, AT - timedelta(seconds=1))
    assert record.provider_metadata["folder"] == SUBMISSION.folder
    assert convert(replace(JOB, restarts=3), run_status=RunStatus(1, AT)).attempt == 3


@each(
    "changes, command",
    [({"script_path": ""}, "sbatch script"), ({"script_path": "", "is_batch": False}, "interactive job")],
)
def test_a_job_of_another_program_has_the_name_of_its_script(changes: dict[str, Any], command: str) -> None:
    assert convert(replace(JOB, **changes)).command == command


@each(
    "changes, instance_type, gpu_type, gpu_count",
    [
        ({}, "4xa100", "a100", 4),
        ({"gpu_count": 2}, "a100", "a100", 1),
        ({"gpu_count": 7}, "4xa100", "a100", 4),
        ({"gpu_type": None}, "gpu:4", None, 4),
        ({"gpu_type": "nvidia_h100_80gb_hbm3"}, "4xh100", "h100", 4),
        ({"gpu_type": "NVIDIA-A100-SXM4-40GB"}, "4xa100", "a100", 4),
        ({"gpu_type": "gtx_1080_ti"}, "4xgtx1080", "gtx1080", 4),
        ({"gpu_count": 0, "gpu_type": None}, "8xcpu", None, 0),
        ({"gpu_count": 0, "gpu_type": None, "cpu_count": 0}, "", None, 0),
    ],
)
def test_the_instance_type_is_what_one_node_has(
    changes: dict[str, Any], instance_type: str, gpu_type: str | None, gpu_count: int
) -> None:
    record = convert(replace(JOB, **changes))
    assert (record.instance_type, record.gpu_type, record.gpu_count) == (instance_type, gpu_type, gpu_count)
    if instance_type:
        parse_gpu(instance_type)


@each(
    "changes, status, message",
    [
        ({}, TaskStatus.RUNNING, ""),
        ({"node_list": ("n1", "n2")}, TaskStatus.RUNNING, "node n2 is draining (bad GPU); the job runs on"),
        ({"node_list": ("n4",)}, TaskStatus.RUNNING, "node n4 is down"),
        ({"flags": frozenset({"COMPLETING"})}, TaskStatus.RUNNING, "has ended, and Slurm cleans up its nodes"),
        ({"flags": frozenset({"CONFIGURING"}), "reason": "None"}, TaskStatus.PENDING, "its nodes are starting"),
        ({"flags": frozenset({"STOPPED"})}, TaskStatus.PAUSED, "was stopped by a signal, and keeps its nodes"),
        ({"state": "SUSPENDED"}, TaskStatus.PAUSED, "suspended by the scheduler or an administrator"),
        (
            {"flags": frozenset({"PREEMPTING"})},
            TaskStatus.PREEMPTING,
            "is being preempted by a job with a higher priority",
        ),
        ({"flags": frozenset({"TELEPORTING"})}, TaskStatus.RUNNING, "its state is TELEPORTING"),
        ({"state": "PENDING", "reason": "JobHeldUser"}, TaskStatus.PENDING, "held by you; release it to let it start"),
        ({"state": "CANCELLED", "cancelled_by": "1001"}, TaskStatus.CANCELLED, "cancelled by you"),
        ({"state": "FAILED", "exit_code": 3}, TaskStatus.FAILED, ""),
    ],
)
def test_the_message_tells_what_the_status_does_not(changes: dict[str, Any], status: TaskStatus, message: str) -> None:
    record = convert(replace(JOB, **changes))
    assert (record.status, record.message) == (status, message)


def test_only_an_ended_task_has_an_end() -> None:
    ended = AT + timedelta(hours=1)
    assert convert(replace(JOB, state="FAILED", exit_code=3, ended_at=ended)).completed_at == ended
    assert convert(replace(JOB, ended_at=ended)).completed_at is None


def test_a_task_is_held_while_all_that_waits_is() -> None:
    held = replace(ELEMENT, state="PENDING", reason="JobHeldUser", array_index=1)
    assert convert(ELEMENT, held).is_held
    assert not convert(ELEMENT, held, replace(held, array_index=2, reason="Resources")).is_held
    assert not convert(ELEMENT).is_held


def test_the_exit_code_that_the_script_recorded_counts_if_sacct_cut_it() -> None:
    failed = replace(JOB, state="FAILED", exit_code=11)
    assert convert(failed, run_status=RunStatus(0, AT, AT, 139, 11)).exit_code == 139
    assert convert(failed, run_status=RunStatus(0, AT, AT, 3)).exit_code == 11


def make_elements(*words: str) -> list[Job]:
    """Returns elements by their states; a failed one may have its code after a colon."""
    parts = [word.partition(":") for word in words]
    return [
        replace(ELEMENT, array_index=index, state=state, exit_code=int(code or 0), reason="Resources")
        for index, (state, _, code) in enumerate(parts)
    ]


@each(
    "words, status, code, message",
    [
        (("RUNNING", "PENDING", "COMPLETED", "FAILED:3"), "running", 3, "waits for Resources"),
        (("PENDING", "PENDING", "COMPLETED"), "pending", None, "waits for Resources"),
        (("COMPLETED", "FAILED:3", "CANCELLED", "FAILED:4"), "failed", 3, ""),
        (("COMPLETED", "CANCELLED"), "cancelled", None, ""),
        (("COMPLETED", "COMPLETED"), "completed", 0, ""),
        (("SUSPENDED", "PENDING"), "paused", None, "waits for Resources"),
        (("NODE_FAIL", "COMPLETED"), "failed", None, "a node failed: n1"),
    ],
)
def test_an_array_is_one_task(words: tuple[str, ...], status: str, code: int | None, message: str) -> None:
    record = convert(*make_elements(*words))
    assert (record.task_id, record.status, record.exit_code, record.message) == ("20", status, code, message)
    assert [element.index for element in record.elements] == list(range(len(words)))


def test_elements_that_wait_together_are_told_one_by_one() -> None:
    common = replace(
        ELEMENT, state="PENDING", array_index=None, array_indexes=(1, 3), reason="JobArrayTaskLimit", array_limit=1
    )
    record = convert(replace(ELEMENT, array_index=2), common, replace(ELEMENT, state="FAILED", exit_code=7))
    assert record.elements == (
        ArrayElement(0, TaskStatus.FAILED, 7),
        ArrayElement(1, TaskStatus.PENDING),
        ArrayElement(2, TaskStatus.RUNNING),
        ArrayElement(3, TaskStatus.PENDING),
    )
    assert record.message == "waits for other elements of its array: 1 may run at once (JobArrayTaskLimit)"
    assert (record.num_instances, record.gpu_count, record.instances) == (1, 1, ("n1",))


def test_hostile_texts_do_not_reach_the_screen() -> None:
    evil = "a\x1b[31m\n\u202e" + "x" * 10_000
    job = replace(
        JOB, name=evil, user=evil, partition=evil, reason=evil, node_list=(evil,), gpu_type=evil, account=evil
    )
    record = convert(replace(job, state="PENDING"))
    shown = (record.name, record.owner, record.created_by, record.region, record.message, *record.instances)
    assert all(text.isprintable() and len(text) < 1000 for text in (*shown, record.instance_type))
    assert record.provider_metadata["account"].isprintable()


def test_a_record_is_built_again_only_if_it_changed() -> None:
    table = JobTable()
    cache = RecordCache(table, OwnRuns())
    other = replace(JOB, job_id="9", submitted_at=AT - timedelta(days=1))
    table.set_queue([other, JOB], "ada")
    cache.refresh(table.take_changed(), SURROUNDINGS)
    rows = cache.rows
    assert [row.task_id for row in rows] == ["12", "9"]
    cache.refresh(["12", "9"], SURROUNDINGS)
    assert cache.rows is rows
    table.set_queue([replace(other, user="bob"), replace(JOB, state="FAILED", exit_code=3)], "ada")
    table.set_queue([replace(JOB, state="FAILED", exit_code=3)], "ada")
    cache.refresh(table.take_changed(), SURROUNDINGS)
    assert [(row.task_id, row.exit_code) for row in cache.rows] == [("12", 3)]
    assert cache.get("9") is None
