"""The jobs of the accounting, from the JSON that slurmrestd makes of slurmdbd's answers in every version."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from flow_core.providers.slurm.queue.hostlist import expand_hostlist, expand_indexes
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import is_ended, split_states
from flow_core.providers.slurm.queue.values import Resources, parse_tres
from flow_core.providers.slurm.rest.json_values import (
    Table,
    read_exit,
    read_number,
    read_rows,
    read_table,
    read_text,
    read_time,
    read_words,
)

_JOBS_PER_STEP = 500


async def decode_history(answer: Table, only_user: str) -> list[Job]:
    """Returns the jobs of a user that have ended. Leaves out those that can't be read.

    Pauses between parts of its work, so that thousands of jobs don't delay a key.
    """
    rows = [row for row in read_rows(answer.get("jobs")) if _read_user(row) == only_user]
    jobs: list[Job] = []
    for start in range(0, len(rows), _JOBS_PER_STEP):
        found = map(decode_ended_job, rows[start : start + _JOBS_PER_STEP])
        jobs += (job for job in found if job is not None)
        await asyncio.sleep(0)
    return jobs


def decode_ended_job(row: Table) -> Job | None:
    """Returns a job; None if it has not ended, or has no id or no state.

    Up to v0.0.38, an exit code that is not 0 is reported as 0: a failed job with the exit code 0 counts as unknown.
    """
    job_id, words = read_number(row.get("job_id")), read_words(read_table(row.get("state")).get("current"))
    if not job_id or not words:
        return None
    state, flags = split_states(words)
    index, array_id, indexes = _read_array(read_table(row.get("array")))
    times, names = read_table(row.get("time")), expand_hostlist(read_text(row.get("nodes")))
    nodes = max(read_number(row.get("allocation_nodes")) or 1, 1)
    resources = _read_resources(read_table(row.get("tres")))
    minutes = read_number(times.get("limit"))
    exit_code, signal = read_exit(row.get("exit_code"))
    job = Job(
        job_id=str(job_id),
        state=state,
        array_id=array_id,
        array_index=index,
        user=_read_user(row),
        name=read_text(row.get("name")),
        partition=read_text(row.get("partition")),
        account=read_text(row.get("account")),
        qos=read_text(row.get("qos")),
        flags=flags,
        reason=read_text(read_table(row.get("state")).get("reason")),
        node_count=nodes,
        node_list=names,
        gpu_count=resources.gpu_count,
        gpu_type=resources.gpu_type,
        cpu_count=resources.cpu_count or 0,
        memory_mb=None if resources.memory_mb is None else resources.memory_mb // nodes,
        time_limit_s=None if minutes is None else minutes * 60,
        submitted_at=read_time(times.get("submission")),
        started_at=read_time(times.get("start")) if names else None,
        ended_at=read_time(times.get("end")),
        exit_code=exit_code,
        signal=signal,
        restarts=read_number(row.get("restart_cnt")) or 0,
        work_dir=read_text(row.get("working_directory")),
        comment=read_text(read_table(row.get("comment")).get("job")),
        reservation=read_text(read_table(row.get("reservation")).get("name")),
        cancelled_by=read_text(row.get("kill_request_user")),
        array_indexes=indexes,
    )
    return job if is_ended(job) else None


def _read_user(row: Table) -> str:
    return read_text(row.get("user")) or read_text(read_table(row.get("association")).get("user"))


def _read_array(array: Table) -> tuple[int | None, str, tuple[int, ...]]:
    """Returns the index of an element, the id of its array, and the indexes of a common record."""
    array_id = read_number(array.get("job_id"))
    if not array_id:
        return None, "", ()
    indexes, _ = expand_indexes(read_text(array.get("task")))
    if indexes:
        return (indexes[0], str(array_id), ()) if len(indexes) == 1 else (None, str(array_id), indexes)
    index = read_number(array.get("task_id"))
    return index, "" if index is None else str(array_id), ()


def _read_resources(tres: Table) -> Resources:
    """Returns what the job had in total, or requested."""
    rows = read_rows(tres.get("allocated")) or read_rows(tres.get("requested"))
    return parse_tres(",".join(_list_amounts(rows)))


def _list_amounts(rows: list[Table]) -> Iterator[str]:
    for row in rows:
        kind, name, count = read_text(row.get("type")), read_text(row.get("name")), read_number(row.get("count"))
        if kind and count is not None:
            yield f"{kind}/{name}={count}" if name else f"{kind}={count}"
