"""The jobs that slurmrestd lists, from the JSON of every version of its API."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flow_core.providers.slurm.discovery.gres import parse_gpus
from flow_core.providers.slurm.queue.hostlist import expand_hostlist, expand_indexes
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import PREEMPTING, is_ended, split_states
from flow_core.providers.slurm.queue.squeue import find_resources
from flow_core.providers.slurm.queue.values import Resources, clean_label
from flow_core.providers.slurm.rest.json_values import (
    Table,
    read_exit,
    read_number,
    read_rows,
    read_text,
    read_time,
    read_words,
)

_JOBS_PER_STEP = 500


class JobDecoder:
    """Decodes the answer of `jobs`."""

    def __init__(self) -> None:
        self.unreadable = 0
        """The number of records of the last call that could not be read."""

    async def decode(self, answer: Table, only_user: str | None = None) -> list[Job]:
        """Returns the jobs in the order of the answer; with `only_user`, those of this user.

        v0.0.36 tells no names of users, so all jobs are returned then, with the uid as the user. Pauses between parts
        of its work, so that thousands of jobs don't delay a key.
        """
        wanted = ("", only_user)
        rows = read_rows(answer.get("jobs"))
        if only_user is not None:
            rows = [row for row in rows if read_text(row.get("user_name")) in wanted]
        jobs: list[Job] = []
        for start in range(0, len(rows), _JOBS_PER_STEP):
            jobs += (job for row in rows[start : start + _JOBS_PER_STEP] if (job := decode_job(row)) is not None)
            await asyncio.sleep(0)
        self.unreadable = len(rows) - len(jobs)
        return jobs


def decode_job(row: Table) -> Job | None:
    """Returns a job, or the common record of the elements of an array that wait. None if it has no id or no state."""
    job_id, words = read_number(row.get("job_id")), read_words(row.get("job_state"))
    if not job_id or not words:
        return None
    state, flags = split_states(words)
    if state == "RUNNING" and read_time(row.get("preempt_time")) is not None:
        flags |= {PREEMPTING}
    index, indexes, limit = _read_indexes(row)
    nodes = max(read_number(row.get("node_count")) or 1, 1)
    resources = _read_resources(row, nodes)
    names = expand_hostlist(read_text(row.get("nodes")))
    is_waiting = state == "PENDING"
    job = Job(
        job_id=str(job_id),
        state=state,
        array_id=str(read_number(row.get("array_job_id"))) if index is not None or indexes else "",
        array_index=index,
        user=read_text(row.get("user_name")) or _read_uid(row),
        name=read_text(row.get("name")),
        partition=read_text(row.get("partition")),
        account=read_text(row.get("account")),
        qos=read_text(row.get("qos")),
        flags=flags,
        reason=read_text(row.get("state_reason")),
        node_count=nodes,
        node_list=names,
        gpu_count=resources.gpu_count,
        gpu_type=resources.gpu_type,
        cpu_count=read_number(row.get("cpus")) or resources.cpu_count or 0,
        memory_mb=None if resources.memory_mb is None else resources.memory_mb // nodes,
        time_limit_s=_read_minutes(row.get("time_limit")),
        submitted_at=read_time(row.get("submit_time")),
        started_at=read_time(row.get("start_time")) if names and not is_waiting else None,
        starts_at=read_time(row.get("start_time")) if is_waiting else None,
        restarts=read_number(row.get("restart_cnt")) or 0,
        work_dir=read_text(row.get("current_working_directory")),
        output_path=read_text(row.get("standard_output")),
        comment=read_text(row.get("comment")),
        dependency=read_text(row.get("dependency")),
        priority=read_number(row.get("priority")),
        reservation=read_text(row.get("resv_name")),
        array_limit=limit,
        script_path=read_text(row.get("command")),
        array_indexes=indexes,
        is_batch=row.get("batch_flag", True) not in (False, 0),
    )
    return _add_end(job, row) if is_ended(job) else job


def _add_end(job: Job, row: Table) -> Job:
    exit_code, signal = read_exit(row.get("exit_code"))
    return replace(job, ended_at=read_time(row.get("end_time")), exit_code=exit_code, signal=signal)


def _read_indexes(row: Table) -> tuple[int | None, tuple[int, ...], int | None]:
    """Returns the index of an element, the indexes of a common record, and the limit on elements that run at once."""
    if not read_number(row.get("array_job_id")):
        return None, (), None
    number = read_number(row.get("array_task_id"))
    if number is not None:
        return number, (), None
    indexes, limit = expand_indexes(read_text(row.get("array_task_string")))
    return (indexes[0], (), limit) if len(indexes) == 1 else (None, indexes, limit)


def _read_uid(row: Table) -> str:
    uid = read_number(row.get("user_id"))
    return "" if uid is None else str(uid)


def _read_minutes(value: object) -> int | None:
    minutes = read_number(value)
    return None if minutes is None else minutes * 60


def _read_resources(row: Table, nodes: int) -> Resources:
    """Returns the resources in total: what the job has, else what it requests."""
    resources = find_resources(
        read_text(row.get("tres_alloc_str")) or read_text(row.get("tres_req_str")),
        read_text(row.get("tres_per_job")),
        read_text(row.get("tres_per_node")),
        read_text(row.get("tres_per_socket")),
        read_text(row.get("tres_per_task")),
        nodes,
        read_number(row.get("tasks")) or 1,
    )
    gpus = parse_gpus(",".join(read_words(row.get("gres_detail"))))  # of each node, with the type
    if count := sum(gpus.values()):
        return replace(resources, gpu_count=count, gpu_type=next(map(clean_label, filter(None, gpus)), None))
    return resources
