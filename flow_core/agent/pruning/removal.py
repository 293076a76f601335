"""The removal of ended tasks, one step a task: what a crash leaves behind, the next sweep removes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.capacity.port_records import withdraw
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.leftovers import doomed, sweep
from flow_core.agent.locks import locked, release, try_lock
from flow_core.agent.pruning.pruned_keys import key_of, remember_key
from flow_core.agent.pruning.selection import (
    FAILED,
    MADE_FILES,
    SUPERVISED,
    EndedTask,
    Inspector,
    Refusal,
    is_folder_name,
    read_ended,
)
from flow_core.agent.spec import TaskSpec


class Removal(NamedTuple):
    """What went, and what stayed after all."""

    removed: tuple[EndedTask, ...]
    refused: tuple[Refusal, ...]


def remove_tasks(
    layout: Layout,
    task_ids: Iterable[str],
    with_made_files: Collection[str],
    progress: Callable[[], None] = lambda: None,
    *,
    keeps_key: bool = True,
) -> Removal:
    """Removes these tasks as far as each may go now; those `with_made_files` together with the files that they made.
    Their idempotency keys stay known, but for what nobody was ever told of (`keeps_key` is false).

    The context's lock is held for one task at a time, so that no submit waits long. The space is free soon after.
    """
    inspector = Inspector(progress)
    removed: list[EndedTask] = []
    refused: list[Refusal] = []
    for task_id in filter(is_folder_name, task_ids):
        progress()
        try:
            with locked(layout.volumes_lock):
                outcome = _remove(layout, layout.task(task_id), inspector, task_id in with_made_files, keeps_key)
        except OSError as error:
            outcome = Refusal(task_id, FAILED, error.strerror or type(error).__name__)
        if isinstance(outcome, Refusal):
            refused.append(outcome)
        else:
            removed.append(outcome)
    if removed:
        with locked(layout.volumes_lock):
            sweep(layout)
    return Removal(tuple(removed), tuple(refused))


def _remove(
    layout: Layout, task: TaskFolder, inspector: Inspector, may_have_made_files: bool, keeps_key: bool
) -> EndedTask | Refusal:
    found, record = inspector.look(task), read_ended(task)
    if isinstance(found, Refusal):
        return found
    if isinstance(record, Refusal):
        return record
    if found.made_files and not may_have_made_files:
        return Refusal(task.task_id, MADE_FILES, found.made_files[0])
    if (lock := try_lock(task.alive_lock)) is None:
        return Refusal(task.task_id, SUPERVISED)
    try:
        spec = record[0]
        if keeps_key and (key := key_of(spec)) is not None:
            remember_key(layout, key, found)
        _release_claims(task, spec)
        task.path.rename(doomed(task.path))
    finally:
        release(lock)
    return found


def _release_claims(task: TaskFolder, spec: TaskSpec) -> None:
    """What names the task and counts while its submitter lives: without the task's record it would again."""
    with queue.queue_lock(task.root):
        ticket = queue.ticket_of(task, spec.seq)
        if ticket is not None and ticket.task == task:
            ticket.drop()
        withdraw(task, spec.ports)
