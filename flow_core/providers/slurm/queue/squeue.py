"""The jobs that squeue prints."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from flow_core.providers.slurm.queue.hostlist import expand_hostlist, expand_indexes
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import PREEMPTING, split_states
from flow_core.providers.slurm.queue.records import split_records
from flow_core.providers.slurm.queue.values import (
    Resources,
    clean,
    parse_duration,
    parse_number,
    parse_time,
    parse_tres,
    split_wait_status,
)


class _SqueueRow(NamedTuple):
    """The fields whose values contain no bar, in the order of the output."""

    array_id: str
    array_index: str
    state: str
    exit_code: str
    restarts: str
    nodes: str
    cpus: str
    tasks: str
    time_limit: str
    submitted: str
    started: str
    ended: str
    preempted: str
    batch_flag: str
    tres: str
    per_job: str
    per_node: str
    per_socket: str
    per_task: str
    node_list: str
    partition: str
    account: str
    qos: str
    reservation: str


_FIXED = (
    *("ArrayJobId", "ArrayTaskId", "State", "exit_code", "RestartCnt", "NumNodes", "NumCPUs", "NumTasks"),
    *("TimeLimit", "SubmitTime", "StartTime", "EndTime", "PreemptTime", "BatchFlag"),
    *("tres-alloc", "tres-per-job", "tres-per-node", "tres-per-socket", "tres-per-task"),
    *("NodeList", "Partition", "Account", "QOS", "Reservation"),
)
"""The names of these fields. The priority is left out: it grows with the age of a job, so each line would change."""
_FREE = ("UserName", "Reason", "Dependency", "Comment", "WorkDir", "Command", "StdOut", "Name")
_WIDTH = 2 + len(_FREE)
_JOBS_PER_STEP = 1000


def build_format(token: str) -> str:
    """Returns the value of squeue's option -O. It needs no quotes in a script for sh except around the bars.

    Width 0 prints a field in full; what follows is printed after it.
    """
    fixed = "|,".join(f"{name}:0" for name in _FIXED)
    free = ",".join(f"{name}:0{token}" for name in _FREE)
    return f"JobId:0{token},{fixed}{token},{free}"


class SqueueDecoder:
    """Decodes the output of squeue. A record that did not change since the last call gives the same Job."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, ...], Job] = {}
        self.unreadable = 0
        """The number of records of the last call that could not be read."""

    async def decode(self, text: str, token: str) -> list[Job]:
        """Returns the jobs in the order of the output. Pauses after every thousand of them.

        Lines of `squeue -r` that differ only in the index of an array become one common record.
        """
        lines: dict[tuple[str, ...], list[str]] = {}
        for count, (job_id, fixed, *free) in enumerate(split_records(text, token, _WIDTH), start=1):
            array_id, _, rest = fixed.partition("|")
            index, _, rest = rest.partition("|")
            lines.setdefault((job_id, array_id, rest, *free), []).append(index)
            if count % _JOBS_PER_STEP == 0:
                await asyncio.sleep(0)
        jobs: dict[tuple[str, ...], Job] = {}
        self.unreadable = 0
        for count, ((job_id, array_id, rest, *free), indexes) in enumerate(lines.items(), start=1):
            record = (job_id, f"{array_id}|{','.join(indexes)}|{rest}", *free)
            job = self._jobs.get(record) or _decode(record)
            if job is None:
                self.unreadable += 1
            else:
                jobs[record] = job
            if count % _JOBS_PER_STEP == 0:
                await asyncio.sleep(0)
        self._jobs = jobs
        return list(jobs.values())


def _decode(record: tuple[str, ...]) -> Job | None:
    job_id, fixed_text, user, reason, dependency, comment, work_dir, command, output, name = record
    fixed = fixed_text.split("|")
    if not job_id.isdecimal() or len(fixed) != len(_FIXED):
        return None
    row = _SqueueRow(*fixed)
    state, flags = split_states(row.state)
    if state == "RUNNING" and parse_time(row.preempted) is not None:
        flags |= {PREEMPTING}
    index, indexes, limit = _parse_indexes(row.array_index)
    node_count = max(parse_number(row.nodes) or 1, 1)
    resources = find_resources(
        row.tres, row.per_job, row.per_node, row.per_socket, row.per_task, node_count, parse_number(row.tasks) or 1
    )
    names = expand_hostlist(clean(row.node_list))
    is_over = state not in _UNFINISHED
    exit_code, signal = split_wait_status(row.exit_code) if is_over else (None, 0)
    is_batch = row.batch_flag != "0"
    return Job(
        job_id=job_id,
        state=state,
        array_id=row.array_id if index is not None or indexes else "",
        array_index=index,
        user=clean(user),
        name=clean(name),
        partition=clean(row.partition),
        account=clean(row.account),
        qos=clean(row.qos),
        flags=flags,
        reason=clean(reason),
        node_count=node_count,
        node_list=names,
        gpu_count=resources.gpu_count,
        gpu_type=resources.gpu_type,
        cpu_count=parse_number(row.cpus) or 0,
        memory_mb=None if resources.memory_mb is None else resources.memory_mb // node_count,
        time_limit_s=parse_duration(row.time_limit),
        submitted_at=parse_time(row.submitted),
        started_at=parse_time(row.started) if names and state != "PENDING" else None,
        ended_at=parse_time(row.ended) if is_over else None,
        starts_at=parse_time(row.started) if state == "PENDING" else None,
        exit_code=exit_code,
        signal=signal,
        restarts=parse_number(row.restarts) or 0,
        work_dir=clean(work_dir),
        output_path=_find_output_pattern(clean(output), clean(work_dir), job_id) if is_batch else "",
        comment=clean(comment),
        dependency=clean(dependency),
        reservation=clean(row.reservation),
        array_limit=limit,
        script_path=clean(command),
        array_indexes=indexes,
        is_batch=is_batch,
    )


_UNFINISHED = frozenset({"PENDING", "RUNNING", "SUSPENDED"})


def _parse_indexes(text: str) -> tuple[int | None, tuple[int, ...], int | None]:
    """Returns the index of an element, the indexes of a common record, and the limit on elements that run at once."""
    number = parse_number(text)
    if number is not None:
        return number, (), None
    indexes, limit = expand_indexes(clean(text))
    return (indexes[0], (), limit) if len(indexes) == 1 else (None, indexes, limit)


@lru_cache(maxsize=1024)
def find_resources(
    tres: str, per_job: str, per_node: str, per_socket: str, per_task: str, nodes: int, tasks: int
) -> Resources:
    """Returns the resources in total.

    The total lacks GPUs where accounting doesn't track them, and often their type. Then the request has both.
    """
    total = parse_tres(clean(tres))
    for text, factor in ((per_job, 1), (per_node, nodes), (per_task, tasks), (per_socket, nodes)):
        requested = parse_tres(clean(text))
        if requested.gpu_count:
            count = total.gpu_count or requested.gpu_count * factor
            return replace(total, gpu_count=count, gpu_type=requested.gpu_type or total.gpu_type)
    return total


def _find_output_pattern(path: str, work_dir: str, job_id: str) -> str:
    """Returns the pattern of the output. Slurm prints the default one expanded, and wrongly for an array."""
    return "" if path == f"{work_dir}/slurm-{job_id}.out" else path
