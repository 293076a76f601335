"""Who has or wants the GPUs of this machine from now on: reservations, running tasks, and the line.

Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from flow_core.agent.capacity import leases, queue, reservation_records
from flow_core.agent.capacity.timeline import GpuUse
from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.reap import get_process_tree, is_abandoned, reap
from flow_core.agent.supervisor_start import start_reaper


def collect_gpu_uses(
    root: Path, gpu_ids: Sequence[str], reserved: Sequence[reservation_records.ReservationRecord], now: float
) -> list[GpuUse]:
    """Every use of these GPUs that is known of. Call it under the queue's lock.

    A task has its GPUs until its time limit, and without one for as long as anybody knows; so does a task that
    waits with all that it could use, since the next one to be free may be its own.
    """
    return [
        *_of_reservations(gpu_ids, reserved),
        *_of_running(root, gpu_ids, now),
        *_of_waiting(root, gpu_ids, reserved, now),
    ]


def reap_lost_tasks(root: Path, gpu_ids: Sequence[str]) -> None:
    """Frees what belongs to tasks whose supervisor was killed: at once, or soon where something of them still runs."""
    for task in {task for task in leases.find_holders(root, gpu_ids).values() if task is not None}:
        try:
            spec, state = StoredSpec.read(task.spec), TaskState.read(task.state)
            if spec is None or not is_abandoned(spec, state):
                continue
            if get_process_tree(spec, state).members():
                start_reaper(task)
            else:
                reap(task)
        except (Refused, MalformedRecord, OSError):
            continue


def _of_reservations(
    gpu_ids: Sequence[str], reserved: Sequence[reservation_records.ReservationRecord]
) -> Iterator[GpuUse]:
    for hold in reserved:
        start = "" if hold.begun else f"from {reservation_records.format_time(hold.start)} "
        by = f"reserved {start}{reservation_records.describe_end(hold)} by {hold.reservation_id}"
        for gpu_id in set(gpu_ids).intersection(hold.gpus):
            yield GpuUse(gpu_id, hold.start, hold.until, by, is_planned=True)


def _of_running(root: Path, gpu_ids: Sequence[str], now: float) -> Iterator[GpuUse]:
    for gpu_id, task in leases.find_holders(root, gpu_ids).items():
        by = "held by what a task left behind" if task is None else f"held by {task.task_id}"
        limit = _limit(task)
        yield GpuUse(gpu_id, now, limit if limit > now else math.inf, by)


def _of_waiting(
    root: Path, gpu_ids: Sequence[str], reserved: Sequence[reservation_records.ReservationRecord], now: float
) -> Iterator[GpuUse]:
    for ticket in queue.list_tickets(root):
        if leases.find_leased_gpus(ticket.task, ticket.candidates):
            continue  # its turn has come: it has what it waited for, and leaves the line once it runs
        for gpu_id in set(gpu_ids).intersection(ticket.open(reserved)):
            yield GpuUse(gpu_id, now, math.inf, f"wanted by {ticket.task.task_id}, which waits")


def _limit(task: TaskFolder | None) -> float:
    """When a task's time is up; infinite where it has no limit."""
    try:
        spec, state = (None, None) if task is None else (StoredSpec.read(task.spec), TaskState.read(task.state))
    except MalformedRecord:
        return math.inf
    if spec is None or spec.max_run_time_hours is None or state is None or state.started_at is None:
        return math.inf
    return state.started_at + spec.max_run_time_hours * 3600
