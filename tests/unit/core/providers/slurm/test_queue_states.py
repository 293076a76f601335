"""The states of jobs, why they wait, and how they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from testbed.tables import each

from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.dependencies import describe_dependency
from flow_core.providers.slurm.queue.endings import describe_ending, get_exit_code
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import (
    FORGOTTEN,
    PREEMPTING,
    find_unknown_words,
    get_status,
    is_ended,
    split_states,
)
from flow_core.providers.slurm.queue.limits import Usage, describe_limit, parse_qos_limits, sum_usage
from flow_core.providers.slurm.queue.pending_reasons import describe_pending, is_held

NOW = datetime(2026, 3, 2, 12, 0).astimezone().astimezone(UTC)
PENDING = Job("12", "PENDING", partition="gpu", account="lab", qos="normal", user="ada")
LIMITS = parse_qos_limits([["normal", "gres/gpu=8,mem=64G", "3", "gres/gpu=16", "", "cpu=32", ""]])


@each(
    "words, state, status",
    [
        ("PENDING", "PENDING", TaskStatus.PENDING),
        ("RUNNING", "RUNNING", TaskStatus.RUNNING),
        ("SUSPENDED", "SUSPENDED", TaskStatus.PAUSED),
        ("COMPLETED", "COMPLETED", TaskStatus.COMPLETED),
        ("CANCELLED", "CANCELLED", TaskStatus.CANCELLED),
        ("CANCELLED by 1001", "CANCELLED", TaskStatus.CANCELLED),
        ("CANCELLED+", "CANCELLED", TaskStatus.CANCELLED),
        ("FAILED", "FAILED", TaskStatus.FAILED),
        ("TIMEOUT", "TIMEOUT", TaskStatus.FAILED),
        ("DEADLINE", "DEADLINE", TaskStatus.FAILED),
        ("OUT_OF_MEMORY", "OUT_OF_MEMORY", TaskStatus.FAILED),
        ("NODE_FAIL", "NODE_FAIL", TaskStatus.FAILED),
        ("BOOT_FAIL", "BOOT_FAIL", TaskStatus.FAILED),
        ("PREEMPTED", "PREEMPTED", TaskStatus.CANCELLED),
        ("COMPLETING", "RUNNING", TaskStatus.RUNNING),
        ("CONFIGURING", "RUNNING", TaskStatus.PENDING),
        ("POWER_UP_NODE", "RUNNING", TaskStatus.PENDING),
        ("RESIZING", "RUNNING", TaskStatus.RUNNING),
        ("SIGNALING", "RUNNING", TaskStatus.RUNNING),
        ("STAGE_OUT", "RUNNING", TaskStatus.RUNNING),
        ("UPDATE_DB", "RUNNING", TaskStatus.RUNNING),
        ("STOPPED", "SUSPENDED", TaskStatus.PAUSED),
        ("REQUEUED", "PENDING", TaskStatus.PENDING),
        ("REQUEUE_FED", "PENDING", TaskStatus.PENDING),
        ("REQUEUE_HOLD", "PENDING", TaskStatus.PENDING),
        ("SPECIAL_EXIT", "PENDING", TaskStatus.PENDING),
        ("RESV_DEL_HOLD", "PENDING", TaskStatus.PENDING),
        ("LAUNCH_FAILED", "PENDING", TaskStatus.PENDING),
        ("RECONFIG_FAIL", "PENDING", TaskStatus.PENDING),
        ("EXPEDITING", "PENDING", TaskStatus.PENDING),
        ("REVOKED", "CANCELLED", TaskStatus.CANCELLED),
        ("PD", "PENDING", TaskStatus.PENDING),
        ("CG", "RUNNING", TaskStatus.RUNNING),
        ("OOM", "OUT_OF_MEMORY", TaskStatus.FAILED),
        (("RUNNING", "COMPLETING"), "RUNNING", TaskStatus.RUNNING),
        (("COMPLETED", "COMPLETING"), "COMPLETED", TaskStatus.COMPLETED),
        (("RUNNING", "CONFIGURING"), "RUNNING", TaskStatus.PENDING),
        (("RUNNING", "STOPPED"), "RUNNING", TaskStatus.PAUSED),
        (("PREEMPTED", "REQUEUED"), "PENDING", TaskStatus.PENDING),
        (("FAILED", "SPECIAL_EXIT"), "PENDING", TaskStatus.PENDING),
        ("TELEPORTING", "RUNNING", TaskStatus.RUNNING),
        ("", "RUNNING", TaskStatus.RUNNING),
        ((), "RUNNING", TaskStatus.RUNNING),
    ],
)
def test_each_state_has_a_status(words: str | tuple[str, ...], state: str, status: TaskStatus) -> None:
    base, flags = split_states(words)
    assert base == state
    assert get_status(Job("1", base, flags=flags)) is status


def test_a_state_of_a_newer_slurm_is_named() -> None:
    base, flags = split_states("TELE\x1bPORTING")
    job = Job("1", base, flags=flags)
    assert find_unknown_words(job) == ["TELE␛PORTING"]
    assert not is_ended(job)


def test_a_job_in_the_grace_time_of_its_preemption_is_preempting() -> None:
    assert get_status(Job("1", "RUNNING", flags=frozenset({PREEMPTING}))) is TaskStatus.PREEMPTING


@each(
    "reason, words",
    [
        ("Resources", "waits for Resources"),
        ("Priority", "waits for jobs with a higher Priority"),
        ("None", "waits until the scheduler considers it"),
        ("", "waits until the scheduler considers it"),
        ("JobHeldUser", "held by you; release it to let it start"),
        ("JobHeldAdmin", "held by an administrator, who must release it"),
        ("PartitionDown", "partition gpu is down"),
        ("QOSNotAllowed", "QOS normal is not allowed for this account or partition"),
        ("AssociationResourceLimit", "a limit of account lab is reached (AssociationResourceLimit)"),
        (
            "ReqNodeNotAvail, UnavailableNodes:node[1-2]",
            "waits for nodes that are not available: node1, node2 (ReqNodeNotAvail)",
        ),
        (
            "ReqNodeNotAvail, UnavailableNodes:n[1-9]",
            "waits for nodes that are not available: n1, n2, n3, n4 and 5 more (ReqNodeNotAvail)",
        ),
        (
            "ReqNodeNotAvail, Reserved for maintenance",
            "waits for nodes that are not available: Reserved for maintenance",
        ),
        ("ReqNodeNotAvail", "waits for nodes that are not available (ReqNodeNotAvail)"),
        ("SomethingNew", "SomethingNew"),
        ("job\x1b[31m\nplugin says {no} %s", "job␛[31m␊plugin says {no} %s"),
    ],
)
def test_each_reason_is_a_sentence(reason: str, words: str) -> None:
    assert describe_pending(replace(PENDING, reason=reason), NOW) == words


def test_the_expected_start_is_told_while_it_lies_ahead() -> None:
    job = replace(PENDING, reason="Resources", starts_at=NOW + timedelta(hours=2, minutes=20))
    assert describe_pending(job, NOW) == "waits for Resources, start about 14:20"
    assert describe_pending(job, NOW + timedelta(hours=3)) == "waits for Resources"
    begins = replace(job, reason="BeginTime")
    assert describe_pending(begins, NOW) == "waits for its BeginTime, start 14:20"
    assert describe_pending(replace(begins, restarts=1), NOW) == (
        "was requeued, and waits for a while before it starts again, start 14:20"
    )


def test_no_start_is_told_of_a_held_job() -> None:
    job = replace(PENDING, reason="JobHeldUser", starts_at=NOW + timedelta(hours=1))
    assert describe_pending(job, NOW) == "held by you; release it to let it start"


def test_a_job_of_somebody_else_is_held_by_its_user() -> None:
    job = replace(PENDING, reason="JobHeldUser")
    assert describe_pending(job, NOW, is_own=False) == "held by its user; release it to let it start"


@each(
    "flag, reason, words",
    [
        ("CONFIGURING", "None", "its nodes are starting"),
        ("REQUEUE_HOLD", "None", "requeued and held; release it to let it start"),
        ("SPECIAL_EXIT", "", "held after a special exit; release it to let it start again"),
        ("REQUEUE_HOLD", "JobHeldUser", "held by you; release it to let it start"),
    ],
)
def test_a_flag_tells_more_than_no_reason(flag: str, reason: str, words: str) -> None:
    assert describe_pending(replace(PENDING, reason=reason, flags=frozenset({flag})), NOW) == words


@each("reason, flags, held", [("JobHeldUser", (), True), ("None", ("REQUEUE_HOLD",), True), ("Priority", (), False)])
def test_a_held_job_is_known_as_such(reason: str, flags: tuple[str, ...], held: bool) -> None:
    assert is_held(replace(PENDING, reason=reason, flags=frozenset(flags))) is held


@each(
    "dependency, words",
    [
        ("afterok:12(unfulfilled)", "job 12 to succeed"),
        ("afterany:12:13", "jobs 12, 13 to end"),
        ("afterok:12_*(unfulfilled),afternotok:14(failed)", "job 12 to succeed and job 14 to fail"),
        ("afterok:12?afterany:13", "job 12 to succeed or job 13 to end"),
        ("after:12+10(unfulfilled)", "job 12 to start"),
        ("aftercorr:5_*", "job 5 to succeed, element by element"),
        ("singleton", "your other jobs of this name to end"),
        (
            "afterok:1,afterok:2,afterok:3,afterok:4,afterok:5",
            "job 1 to succeed and job 2 to succeed and job 3 to succeed and 2 more",
        ),
        ("", "another job"),
        ("what\x1b:1", "what␛:1"),
    ],
)
def test_a_dependency_names_the_jobs(dependency: str, words: str) -> None:
    assert describe_dependency(dependency) == words
    job = replace(PENDING, reason="Dependency", dependency=dependency)
    assert describe_pending(job, NOW) == f"waits for {words} (Dependency)"


@each(
    "reason, words",
    [
        ("QOSMaxGRESPerUser", "QOSMaxGRESPerUser: 8 of 8 GPUs in use"),
        ("QOSMaxMemoryPerUser", "QOSMaxMemoryPerUser: 48 GB of 64 GB memory in use"),
        ("QOSMaxJobsPerUserLimit", "QOSMaxJobsPerUserLimit: 2 of 3 running jobs"),
        ("QOSMaxCpuPerUserLimit", "QOSMaxCpuPerUserLimit: the limit of QOS normal for one user is reached: CPUs"),
        ("QOSGrpGRES", "QOSGrpGRES: the limit of QOS normal for all its jobs together is reached: 16 GPUs"),
        ("QOSGrpNodeLimit", "QOSGrpNodeLimit: the limit of QOS normal for all its jobs together is reached: nodes"),
        (
            "QOSMaxCpuPerJobLimit",
            "QOSMaxCpuPerJobLimit: the request for CPUs exceeds the limit of QOS normal for one job: 32 CPUs",
        ),
        (
            "QOSMaxWallDurationPerJobLimit",
            "QOSMaxWallDurationPerJobLimit: the request for run time exceeds the limit of QOS normal for one job",
        ),
        ("QOSMinGRES", "QOSMinGRES: the request for GPUs is below the minimum of QOS normal"),
        ("QOSMinCpuNotSatisfied", "QOSMinCpuNotSatisfied: the request for CPUs is below the minimum of QOS normal"),
        ("AssocGrpGRES", "AssocGrpGRES: the limit of account lab for all its jobs together is reached: GPUs"),
        ("AssocMaxJobsLimit", "AssocMaxJobsLimit: the limit of account lab for one user is reached: running jobs"),
        (
            "AssocGrpCPURunMinutesLimit",
            "AssocGrpCPURunMinutesLimit: the limit of account lab for all its jobs together is reached: "
            "CPUs times run time",
        ),
        ("MaxGRESPerAccount", "MaxGRESPerAccount: the limit of QOS normal for one account is reached: GPUs"),
        ("QOSMaxUnobtainiumPerUser", None),
        ("Resources", None),
    ],
)
def test_a_limit_is_told_with_its_numbers_where_they_are_known(reason: str, words: str | None) -> None:
    running = Job("1", "RUNNING", qos="normal", gpu_count=4, cpu_count=8, node_count=2, memory_mb=12_288)
    usage = sum_usage([running, replace(running, job_id="2"), PENDING], LIMITS)
    assert describe_limit(reason, PENDING, usage) == words


def test_a_row_of_another_width_tells_no_limits() -> None:
    limits = parse_qos_limits([["normal", "x"]])
    assert limits == {}
    assert describe_limit("QOSGrpGRES", PENDING, Usage({}, limits)) == (
        "QOSGrpGRES: the limit of QOS normal for all its jobs together is reached: GPUs"
    )


ENDED = Job("12", "FAILED", exit_code=3, started_at=NOW)


@each(
    "changes, code, words",
    [
        ({"state": "COMPLETED", "exit_code": 0}, 0, ""),
        ({"reason": "NonZeroExitCode"}, 3, ""),
        ({"exit_code": 0, "signal": 11, "reason": "RaisedSignal:11(Segmentation_fault)"}, 139, "killed by SIGSEGV"),
        ({"exit_code": 0, "signal": 9, "reason": "JobLaunchFailure"}, 137, "killed by SIGKILL"),
        (
            {"exit_code": 0, "signal": 9, "memory_mb": 20},
            137,
            "killed by SIGKILL; perhaps it used more memory than the 20 MB that it asked for",
        ),
        (
            {"exit_code": 137, "memory_mb": 20},
            137,
            "killed by SIGKILL; perhaps it used more memory than the 20 MB that it asked for",
        ),
        ({"exit_code": 0, "signal": 40}, 168, "killed by signal 40"),
        (
            {"exit_code": 15, "signal": 53, "reason": "JobLaunchFailure"},
            None,
            "Slurm could not write its output file or enter its directory; check both paths",
        ),
        ({"state": "TIMEOUT", "exit_code": 0, "time_limit_s": 7200}, None, "reached its time limit of 2 h"),
        ({"state": "TIMEOUT", "exit_code": 0, "signal": 15}, 143, "reached its time limit"),
        ({"state": "OUT_OF_MEMORY", "exit_code": 0, "memory_mb": 4096}, None, "out of memory: the job asked for 4 GB"),
        (
            {"state": "OUT_OF_MEMORY", "exit_code": 0, "memory_mb": 512, "node_count": 2},
            None,
            "out of memory: the job asked for 512 MB per node",
        ),
        ({"state": "OUT_OF_MEMORY"}, 3, "out of memory"),
        ({"state": "NODE_FAIL", "exit_code": 0, "node_list": ("n1",)}, None, "a node failed: n1"),
        ({"state": "NODE_FAIL", "exit_code": 0, "node_list": ("n1", "n2")}, None, "a node failed: one of n1, n2"),
        ({"state": "BOOT_FAIL", "exit_code": 0}, None, "its nodes could not start"),
        ({"state": "PREEMPTED", "exit_code": 0}, None, "preempted by a job with a higher priority"),
        ({"state": "DEADLINE", "exit_code": 0}, None, "cancelled, because it could not end before its deadline"),
        ({"state": "CANCELLED", "exit_code": 0}, None, ""),
        ({"state": "CANCELLED", "exit_code": 0, "cancelled_by": "1001"}, None, "cancelled by you"),
        ({"state": "CANCELLED", "exit_code": 0, "cancelled_by": "0"}, None, "cancelled by root"),
        ({"state": "CANCELLED", "exit_code": 0, "cancelled_by": "7"}, None, "cancelled by user 7"),
        ({"state": "CANCELLED", "exit_code": 0, "cancelled_by": "ada\x1b"}, None, "cancelled by ada␛"),
        (
            {"state": "CANCELLED", "exit_code": 0, "reason": "DependencyNeverSatisfied"},
            None,
            "cancelled, because the job that it waited for did not end as required",
        ),
        ({"state": "CANCELLED", "flags": frozenset({"REVOKED"})}, 3, "runs on another cluster of the federation"),
        ({"exit_code": 0, "reason": "SomethingNew\n"}, None, "SomethingNew␊"),
        ({"exit_code": 1, "reason": "Prolog"}, 1, ""),
        (
            {"state": "CANCELLED", "exit_code": None, "flags": frozenset({FORGOTTEN}), "started_at": None},
            None,
            "Slurm no longer knows this job; it had not started when it was last seen",
        ),
        (
            {"exit_code": None, "flags": frozenset({FORGOTTEN})},
            None,
            "Slurm no longer knows this job; it ran when it was last seen, and its result is unknown",
        ),
        (
            {"exit_code": 1, "reason": "InvalidAccount", "started_at": None},
            None,
            "refused: its account is not valid",
        ),
        ({"state": "RUNNING", "exit_code": 3}, None, ""),
    ],
)
def test_each_ending_has_a_code_and_a_sentence(changes: dict[str, object], code: int | None, words: str) -> None:
    job = replace(ENDED, **changes)  # type: ignore[arg-type]
    assert get_exit_code(job) == code
    assert describe_ending(job, "1001") == words
