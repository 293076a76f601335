"""The jobs in the JSON of every version of slurmrestd."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from testbed.rest_recordings import NEW, OLD, VERSIONS, load
from testbed.tables import each

from flow_core.providers.slurm.queue.endings import get_exit_code
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.rest.history_decoder import decode_ended_job, decode_history
from flow_core.providers.slurm.rest.job_decoder import JobDecoder, decode_job
from flow_core.providers.slurm.rest.json_values import read_exit, read_number, read_text, read_time, read_words

FIRST = VERSIONS[0]
EXPECTED: dict[str, dict[str, Any]] = {
    "failed": {"state": "FAILED", "exit_code": 3, "signal": 0, "comment": "flow:0123456789ab", "partition": "gpu"},
    "killed": {"state": "FAILED", "signal": 9},
    "cancelled": {"state": "CANCELLED", "signal": 15},
    "trapped": {"state": "RUNNING", "exit_code": None, "node_list": ("node1",), "time_limit_s": 600},
    "training": {
        "state": "RUNNING",
        "node_list": ("node1", "node2"),
        "node_count": 2,
        "gpu_count": 4,
        "gpu_type": "a100",
        "cpu_count": 2,
        "starts_at": None,
        "ended_at": None,
    },
    "held": {"state": "PENDING", "reason": "JobHeldUser", "started_at": None},
    "later": {"state": "PENDING", "reason": "BeginTime", "started_at": None},
    "waits": {"state": "PENDING", "reason": "Dependency"},
    "big": {"state": "PENDING", "reason": "Resources", "gpu_count": 12, "gpu_type": "a100", "node_count": 3},
    "gone": {"state": "CANCELLED", "array_indexes": (1, 2, 3), "array_index": None},
    "array 0": {"state": "COMPLETED", "exit_code": 0, "signal": 0},
    "array 1": {"state": "FAILED", "exit_code": 1},
    "array 2": {"state": "RUNNING", "exit_code": None},
    "array 3": {"state": "RUNNING"},
    "array": {"state": "PENDING", "reason": "JobArrayTaskLimit", "array_indexes": (4, 5, 6, 7), "array_limit": 2},
}
"""Some fields of each recorded job, by its name and its index."""


def name_of(job: Job) -> str:
    return job.name if job.array_index is None else f"{job.name} {job.array_index}"


@each("version", VERSIONS)
async def test_all_versions_tell_the_same_jobs(version: int) -> None:
    decoder = JobDecoder()
    jobs = {name_of(job): job for job in await decoder.decode(load("jobs", version), "alice")}
    assert decoder.unreadable == 0
    assert jobs.keys() == EXPECTED.keys()
    for name, fields in EXPECTED.items():
        assert {field: getattr(jobs[name], field) for field in fields} == fields, name
    running, array = jobs["training"], jobs["array"]
    assert running.started_at is not None
    assert running.submitted_at is not None
    assert running.memory_mb in (256, 1000)
    assert jobs["later"].starts_at is not None
    assert jobs["waits"].dependency == f"afterok:{running.job_id}(unfulfilled)"
    assert {jobs[f"array {index}"].array_id for index in range(4)} == {array.array_id} == {array.job_id}
    assert jobs["failed"].ended_at is not None
    user = "47001" if version == FIRST else "alice"
    assert all(job.user == user and job.is_batch and job.work_dir == "/tmp" for job in jobs.values())


@each("version", VERSIONS)
async def test_the_jobs_of_other_users_are_left_out_unless_all_are_wanted(version: int) -> None:
    answer = load("jobs", version)
    others = await JobDecoder().decode(answer, "bob")
    assert len(others) == (len(EXPECTED) if version == FIRST else 0)  # the first version tells no names
    assert len(await JobDecoder().decode(answer)) == len(EXPECTED)


async def test_a_version_between_the_recorded_ones_is_read_too() -> None:
    """v0.0.39 mixes the forms of those before and after it."""
    row = {
        "job_id": 7,
        "user_name": "alice",
        "name": "mixed",
        "job_state": "FAILED",
        "exit_code": {"set": True, "infinite": False, "number": 768},
        "start_time": 1796028366,
        "end_time": 1796028400,
        "time_limit": {"set": True, "infinite": False, "number": 10},
        "cpus": {"set": True, "infinite": False, "number": 4},
        "node_count": {"set": True, "infinite": False, "number": 2},
        "nodes": "node[1-2]",
        "array_job_id": {"set": True, "infinite": False, "number": 0},
        "array_task_id": {"set": False, "infinite": False, "number": 0},
        "tres_per_node": "gres:gpu:a100:2",
    }
    (job,) = await JobDecoder().decode({"jobs": [row]}, "alice")
    assert (job.state, job.exit_code, job.signal, job.time_limit_s) == ("FAILED", 3, 0, 600)
    assert (job.cpu_count, job.gpu_count, job.gpu_type, job.node_list) == (4, 4, "a100", ("node1", "node2"))
    assert job.array_id == ""
    assert job.ended_at == datetime.fromtimestamp(1796028400, UTC)


@each(
    "row",
    [
        {},
        {"job_id": 3},
        {"job_id": 3, "job_state": []},
        {"job_id": 3, "job_state": [4]},
        {"job_id": 0, "job_state": "RUNNING"},
        {"job_id": "\x1b", "job_state": "RUNNING"},
        {"job_id": -3, "job_state": "RUNNING"},
        {"job_id": True, "job_state": "RUNNING"},
        {"job_id": {"set": False, "number": 3}, "job_state": "RUNNING"},
    ],
)
async def test_a_row_that_can_not_be_read_is_counted(row: dict[str, Any]) -> None:
    decoder = JobDecoder()
    good = {"job_id": 4, "job_state": "RUNNING"}
    assert [job.job_id for job in await decoder.decode({"jobs": [row, good, "x", None]})] == ["4"]
    assert decoder.unreadable == 1


@each("answer", [{}, {"jobs": None}, {"jobs": {}}, {"jobs": "x"}])
async def test_an_answer_without_jobs_has_none(answer: dict[str, Any]) -> None:
    assert await JobDecoder().decode(answer) == []


@each(
    "field",
    [*load("jobs", OLD)["jobs"][0], *load("jobs", NEW)["jobs"][0]],
)
@each("value", [None, -1, 1 << 80, 1e300, float("nan"), "\x1b[2J", [], ["x", 1], {"set": True}, {"number": {}}, True])
def test_no_value_of_a_field_is_too_odd(field: str, value: Any) -> None:
    for version in (OLD, NEW):
        for row in load("jobs", version)["jobs"][:5]:
            job = decode_job({**row, field: value})
            assert job is None or job.job_id.isdecimal()


def test_flags_beside_the_state_are_kept() -> None:
    row = {"job_id": 1, "job_state": ["RUNNING", "COMPLETING"], "preempt_time": {"set": True, "number": 1796028366}}
    job = decode_job(row)
    assert job is not None
    assert (job.state, job.flags) == ("RUNNING", {"COMPLETING", "PREEMPTING"})


@each(
    "value, number",
    [
        (3, 3),
        (0, 0),
        (2.0, 2),
        ("17", 17),
        ("x", None),
        (None, None),
        (True, None),
        (-1, None),
        (4294967294, None),
        (4294967295, None),
        (18446744073709551614, None),
        (float("inf"), None),
        ({"set": True, "infinite": False, "number": 5}, 5),
        ({"set": False, "infinite": False, "number": 0}, None),
        ({"set": True, "infinite": True, "number": 0}, None),
        ({"set": False, "infinite": True, "number": 0}, None),
        ({"number": 5}, 5),
        ({"set": True}, None),
        ({"set": True, "number": {"set": True, "number": 1}}, None),
        ([], None),
    ],
)
def test_each_form_of_a_number(value: Any, number: int | None) -> None:
    assert read_number(value) == number


@each(
    "value, found",
    [
        (768, (3, 0)),
        (0, (0, 0)),
        (15, (0, 15)),
        (139, (0, 11)),
        ({"set": True, "infinite": False, "number": 256}, (1, 0)),
        ({"set": False, "infinite": False, "number": 0}, (None, 0)),
        ({"status": "SUCCESS", "return_code": 0}, (0, 0)),
        ({"status": "SIGNALED", "return_code": None, "signal": {"signal_id": 9, "name": "Killed"}}, (0, 9)),
        ({"status": ["ERROR"], "return_code": {"set": True, "number": 7}, "signal": {"id": {"set": False}}}, (7, 0)),
        (
            {"status": ["SIGNALED"], "return_code": {"set": False}, "signal": {"id": {"set": True, "number": 15}}},
            (0, 15),
        ),
        ({"status": ["INVALID"], "return_code": {"set": False}, "signal": {"id": {"set": False}}}, (None, 0)),
        ({"return_code": 1, "signal": 9}, (1, 0)),
        (None, (None, 0)),
        ("x", (None, 0)),
    ],
)
def test_each_form_of_an_exit_status(value: Any, found: tuple[int | None, int]) -> None:
    assert read_exit(value) == found


def test_texts_words_and_times() -> None:
    assert [read_text(value) for value in ("a", "(null)", None, 3, ["a"])] == ["a", "", "", "", ""]
    assert read_words("RUNNING") == read_words(["RUNNING"]) == ("RUNNING",)
    assert read_words("a, b") == read_words(["a", "b", 3, ""]) == ("a", "b")
    assert read_words(None) == read_words({}) == ()
    assert read_time(0) is read_time(None) is read_time(1 << 50) is None
    assert read_time({"set": True, "number": 60}) == datetime.fromtimestamp(60, UTC)


@each("version", [OLD, NEW])
async def test_the_accounting_tells_the_ended_jobs(version: int) -> None:
    jobs = {name_of(job): job for job in await decode_history(load("history", version), "alice")}
    assert jobs.keys() == {"failed", "killed", "cancelled", "array 0", "array 1"}
    failed, cancelled = jobs["failed"], jobs["cancelled"]
    # Slurm 22.05 tells 0 for the exit code of a job that failed.
    assert [get_exit_code(jobs[name]) for name in ("failed", "killed")] == [3 if version == NEW else None, 137]
    assert get_exit_code(jobs["array 0"]) == 0
    assert (failed.state, failed.partition, failed.account, failed.time_limit_s) == ("FAILED", "gpu", "flow", 600)
    assert failed.comment == ("flow:0123456789ab" if version == OLD else "")  # a setting of the cluster
    assert failed.ended_at is not None
    assert failed.submitted_at is not None
    assert failed.started_at is not None
    assert (failed.cpu_count, failed.memory_mb) == (1, 1000 if version == OLD else 256)
    assert (cancelled.state, cancelled.cancelled_by) == ("CANCELLED", "alice")
    assert jobs["array 0"].array_id == jobs["array 1"].array_id != ""
    assert await decode_history(load("history", version), "bob") == []


@each("version", [OLD, NEW])
def test_no_value_in_the_accounting_is_too_odd(version: int) -> None:
    row = load("history", version)["jobs"][0]
    for field in row:
        for value in (None, -1, "\x1b[2J", [], {"x": 1}, {"current": 3}):
            job = decode_ended_job({**row, field: value})
            assert job is None or job.job_id.isdecimal()


def test_the_gpus_of_an_ended_job_have_their_type() -> None:
    row = {
        **load("history", NEW)["jobs"][0],
        "allocation_nodes": 2,
        "tres": {"allocated": [{"type": "gres", "name": "gpu:h100", "count": 8}, {"type": "energy", "count": -2}]},
    }
    job = decode_ended_job(row)
    assert job is not None
    assert (job.gpu_count, job.gpu_type, job.node_count) == (8, "h100", 2)
