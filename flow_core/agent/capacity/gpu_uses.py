"""Collects every use of this machine's GPUs from now on: reservations, running tasks and the queue."""

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
from flow_core.agent.supervisor.lost_supervisor import get_process_tree, is_abandoned, reap
from flow_core.agent.supervisor_start import start_reaper
from flow_core.agent.task_state import TaskState


def collect_gpu_uses(
    root: Path, gpu_ids: Sequence[str], reservations: Sequence[reservation_records.ReservationRecord], now: float
) -> list[GpuUse]:
    """Returns every known use of these GPUs. Call it under the queue's lock.

    A task with a time limit uses its GPUs until that limit, a task without a limit for an unknown time. A waiting task
    counts as using all GPUs that it could use, since it may start on the next one that becomes free.
    """
    return [
        *_reservation_uses(gpu_ids, reservations),
        *_running_uses(root, gpu_ids, now),
        *_waiting_uses(root, gpu_ids, reservations, now),
    ]


def reap_lost_tasks(root: Path, gpu_ids: Sequence[str]) -> None:
    """Frees the GPUs of tasks whose supervisor was killed.

    They are free immediately if no process of the task is left, otherwise soon.
    """
    for task in {task for task in leases.find_holders(root, gpu_ids).values() if task is not None}:
        try:
            spec, state = StoredSpec.read(task.spec), TaskState.read(task.state)
            if spec is None or not is_abandoned(spec, state):
                continue
            if get_process_tree(spec, state).list_members():
                start_reaper(task)
            else:
                reap(task)
        except (Refused, MalformedRecord, OSError):
            continue


def _reservation_uses(
    gpu_ids: Sequence[str], reservations: Sequence[reservation_records.ReservationRecord]
) -> Iterator[GpuUse]:
    for reservation in reservations:
        start = "" if reservation.begun else f"from {reservation_records.format_time(reservation.start)} "
        holder = f"reserved {start}{reservation_records.describe_end(reservation)} by {reservation.reservation_id}"
        for gpu_id in set(gpu_ids).intersection(reservation.gpus):
            yield GpuUse(gpu_id, reservation.start, reservation.busy_until, holder, is_planned=True)


def _running_uses(root: Path, gpu_ids: Sequence[str], now: float) -> Iterator[GpuUse]:
    for gpu_id, task in leases.find_holders(root, gpu_ids).items():
        holder = "held by remaining processes of a task" if task is None else f"held by {task.task_id}"
        deadline = _find_deadline(task)
        yield GpuUse(gpu_id, now, deadline if deadline > now else math.inf, holder)


def _waiting_uses(
    root: Path, gpu_ids: Sequence[str], reservations: Sequence[reservation_records.ReservationRecord], now: float
) -> Iterator[GpuUse]:
    for ticket in queue.list_tickets(root):
        if leases.find_leased_gpus(ticket.task, ticket.candidates):
            continue  # it holds its GPUs already, and leaves the queue once it runs
        for gpu_id in set(gpu_ids).intersection(ticket.select_allowed_gpus(reservations)):
            yield GpuUse(gpu_id, now, math.inf, f"requested by {ticket.task.task_id}, which waits")


def _find_deadline(task: TaskFolder | None) -> float:
    """Returns the time at which a task reaches its time limit; infinity without a limit."""
    try:
        spec, state = (None, None) if task is None else (StoredSpec.read(task.spec), TaskState.read(task.state))
    except MalformedRecord:
        return math.inf
    if spec is None or spec.max_run_time_hours is None or state is None or state.started_at is None:
        return math.inf
    return state.started_at + spec.max_run_time_hours * 3600
