"""Converts the jobs of one task to its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flow_core.gpu_matching import Gpu
from flow_core.gpu_shorthand import GpuRequest
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_core.providers.slurm.queue.endings import describe_ending, get_exit_code
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import find_unknown_words, get_status
from flow_core.providers.slurm.queue.limits import NO_USAGE, Usage
from flow_core.providers.slurm.queue.own_runs import get_submission_time
from flow_core.providers.slurm.queue.pending_reasons import describe_pending, is_held
from flow_core.providers.slurm.queue.run_status import RunStatus, restore_exit_code
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.run_folder import Submission

# The first of these that an element has is the status of the array.
_LEAST_FAR = (
    *(TaskStatus.RUNNING, TaskStatus.PREEMPTING, TaskStatus.PAUSED, TaskStatus.PENDING),
    *(TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.COMPLETED),
)
_NODES_SHOWN = 100
_RUNNING_SENTENCES = {
    "COMPLETING": "has ended, and Slurm cleans up its nodes",
    "STAGE_OUT": "has ended, and its data leaves the burst buffer",
    "RESIZING": "its size is being changed",
    "STOPPED": "was stopped by a signal, and keeps its nodes",
    "PREEMPTING": "is being preempted by a job with a higher priority",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the records of all tasks depend on besides their jobs.

    `own_uid` is the user id on the cluster. `unusable_nodes` are the states and reasons of nodes that take no jobs.
    """

    context: str = ""
    own_user: str = ""
    own_uid: str = ""
    usage: Usage = NO_USAGE
    unusable_nodes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def build_task_record(
    jobs: Sequence[Job],
    surroundings: Surroundings,
    submission: Submission | None = None,
    run_status: RunStatus | None = None,
    now: datetime | None = None,
) -> TaskRecord:
    """Builds the record of a task from its jobs: one, or those of an array. `now` is needed only for the messages."""
    now = now or datetime.now(UTC)
    job = restore_exit_code(choose_job(jobs), None if run_status is None else run_status.exit_code)
    elements = build_elements(jobs)
    status = merge_status(element.status for element in elements) if elements else get_status(job)
    return TaskRecord(
        context=surroundings.context,
        task_id=job.task_id,
        name=clean_label(submission.name if submission else job.name) or job.task_id,
        status=status,
        command=submission.command if submission else _describe_command(job),
        created_at=_find_creation(jobs, submission),
        started_at=min((one.started_at for one in jobs if one.started_at is not None), default=None),
        completed_at=_find_end(jobs) if status.is_final else None,
        instance_type=_format_instance_type(job),
        num_instances=job.node_count,
        gpu_type=get_short_model(job.gpu_type) if job.gpu_type else None,
        gpu_count=_count_per_node(job.gpu_count, job.node_count),
        region=clean_label(job.partition),
        exit_code=_find_exit_code(elements) if elements else get_exit_code(job),
        message=_describe_elements(jobs, surroundings, now) if elements else describe_job(job, surroundings, now),
        owner=clean_label(job.user),
        attempt=max(job.restarts, 0 if run_status is None else run_status.attempt),
        instances=_list_nodes(jobs),
        created_by=clean_label(job.user),
        elements=elements,
        is_held=_is_held(jobs),
        time_limit_s=job.time_limit_s,
        config={} if submission is None else submission.config,
        provider_metadata=_collect_details(job, submission),
    )


def choose_job(jobs: Sequence[Job]) -> Job:
    """Returns the job that stands for all of a task: the first one that runs, else that waits, else the first one."""
    if len(jobs) == 1:
        return jobs[0]
    return min(jobs, key=lambda job: _LEAST_FAR.index(get_status(job)))


def build_elements(jobs: Sequence[Job]) -> tuple[ArrayElement, ...]:
    """Returns the elements of an array by index; empty for a job that is in no array."""
    if not jobs[0].array_id:
        return ()
    found = {index: element for job in jobs for index, element in _build_elements(job)}
    return tuple(found[index] for index in sorted(found))


def merge_status(statuses: Iterator[TaskStatus]) -> TaskStatus:
    """Returns the status of an array: running if any element runs, failed if all have ended and one has failed."""
    present = set(statuses)
    return next(status for status in _LEAST_FAR if status in present)


def describe_job(job: Job, surroundings: Surroundings, now: datetime) -> str:
    """Returns what the status of a job does not tell: why it waits, or how it ended."""
    status = get_status(job)
    if status.is_final:
        return describe_ending(job, surroundings.own_uid)
    if status is TaskStatus.PENDING:
        is_own = job.user == surroundings.own_user
        return describe_pending(job, now, surroundings.usage, is_own=is_own)
    if unknown := find_unknown_words(job):
        return f"its state is {', '.join(unknown)}"
    if flag := next((flag for flag in _RUNNING_SENTENCES if flag in job.flags), None):
        return _RUNNING_SENTENCES[flag]
    if status is TaskStatus.PAUSED:
        return "suspended by the scheduler or an administrator"
    return _describe_nodes(job, surroundings.unusable_nodes)


@lru_cache(maxsize=1024)
def get_short_model(gpu_type: str) -> str:
    """Returns the common name of a GPU for the site's name: "a100" for "nvidia_a100-sxm4-80gb"."""
    return Gpu("", gpu_type.replace("_", "-"), None, "", True).short_model


def _build_elements(job: Job) -> Iterator[tuple[int, ArrayElement]]:
    status, exit_code = get_status(job), get_exit_code(job)
    for index in job.array_indexes or (job.array_index,):
        if index is not None:
            yield index, _make_element(index, status, exit_code)


@lru_cache(maxsize=65536)
def _make_element(index: int, status: TaskStatus, exit_code: int | None) -> ArrayElement:
    return ArrayElement(index, status, exit_code)


def _find_exit_code(elements: Sequence[ArrayElement]) -> int | None:
    """Returns the first exit code of an array that is not 0; 0 if all are."""
    codes = [element.exit_code for element in elements]
    failed = next((code for code in codes if code), None)
    return failed if failed is not None or None in codes else 0


def _describe_elements(jobs: Sequence[Job], surroundings: Surroundings, now: datetime) -> str:
    """Returns why the first element that waits does, or else how the first one that failed ended."""
    for status in (TaskStatus.PENDING, TaskStatus.FAILED):
        if (first := next((job for job in jobs if get_status(job) is status), None)) is not None:
            return describe_job(first, surroundings, now)
    return ""


def _describe_command(job: Job) -> str:
    path = clean_label(job.script_path)
    return path or ("sbatch script" if job.is_batch else "interactive job")


def _find_creation(jobs: Sequence[Job], submission: Submission | None) -> datetime | None:
    """Returns when the task was submitted. Slurm counts from the last requeue."""
    times = [job.submitted_at for job in jobs if job.submitted_at is not None]
    sent_at = None if submission is None else get_submission_time(submission)
    return min([*times, *([] if sent_at is None else [sent_at])], default=None)


def _find_end(jobs: Sequence[Job]) -> datetime | None:
    return max((job.ended_at for job in jobs if job.ended_at is not None), default=None)


def _count_per_node(total: int, nodes: int) -> int:
    return -(-total // max(nodes, 1))


def _format_instance_type(job: Job) -> str:
    """Formats what one node of the job has as a shorthand: 4xa100, gpu:4 or 8xcpu; "" if it is unknown."""
    gpus = _count_per_node(job.gpu_count, job.node_count)
    if gpus:
        model = get_short_model(job.gpu_type) if job.gpu_type else None
        return model if gpus == 1 and model else str(GpuRequest(model=model, count=gpus))
    cpus = _count_per_node(job.cpu_count, job.node_count)
    return str(GpuRequest(count=0, cpus=cpus)) if cpus else ""


def _list_nodes(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Returns the nodes of a job; of an array, those on which elements run."""
    if len(jobs) == 1:
        return tuple(clean_label(name) for name in jobs[0].node_list)
    running = (job.node_list for job in jobs if get_status(job) is TaskStatus.RUNNING)
    names = dict.fromkeys(clean_label(name) for node_list in running for name in node_list)
    return tuple(names)[:_NODES_SHOWN]


def _is_held(jobs: Sequence[Job]) -> bool:
    """Returns whether the task waits until it is released; an array, if all elements that wait do."""
    waiting = [job for job in jobs if get_status(job) is TaskStatus.PENDING]
    return bool(waiting) and all(map(is_held, waiting))


def _describe_nodes(job: Job, unusable: Mapping[str, tuple[str, str]]) -> str:
    """Describes the first node of a running job that takes no new jobs."""
    name = next((name for name in job.node_list if name in unusable), None) if unusable else None
    if name is None:
        return ""
    state, reason = unusable[name]
    word, detail = state.rstrip("*").lower(), f" ({reason})" if reason else ""
    return f"node {clean_label(name)} is {word}{detail}" + ("; the job runs on" if word.startswith("drain") else "")


def _collect_details(job: Job, submission: Submission | None) -> dict[str, Any]:
    """Collects the details for users to read; leaves out those that are empty."""
    details = {
        "state": " ".join([job.state, *sorted(job.flags)]),
        "reason": clean_label(job.reason),
        "account": clean_label(job.account),
        "qos": clean_label(job.qos),
        "priority": job.priority,
        "nodes": ", ".join(clean_label(name) for name in job.node_list[:_NODES_SHOWN]),
        "cpus": job.cpu_count,
        "memory_mb_per_node": job.memory_mb,
        "dependency": clean_label(job.dependency),
        "reservation": clean_label(job.reservation),
        "restarts": job.restarts,
        "working_dir": job.work_dir,
        "output": job.output_path,
        "folder": "" if submission is None else submission.folder,
    }
    return {name: value for name, value in details.items() if value not in ("", None, 0)}
