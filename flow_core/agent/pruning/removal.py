"""Removes ended tasks, each in one step; the garbage collection removes the leftovers of a crash."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.crash_leftovers import collect_garbage, make_trash_path
from flow_core.agent.ended_index import mark_reusable
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.locks import exclusive_lock, release, try_lock
from flow_core.agent.port_records import release_ports
from flow_core.agent.pruning.pruned_keys import get_key, store_key
from flow_core.agent.pruning.selection import (
    FAILED,
    MADE_FILES,
    SUPERVISED,
    EndedTask,
    PruningRefusal,
    TaskInspector,
    is_folder_name,
    read_ended,
)
from flow_core.agent.spec import StoredSpec


class RemovalResult(NamedTuple):
    """The tasks that were removed, and those that can't be removed."""

    removed: tuple[EndedTask, ...]
    refused: tuple[PruningRefusal, ...]


def remove_tasks(
    layout: Layout,
    task_ids: Iterable[str],
    with_made_files: Collection[str],
    progress: Callable[[], None] = lambda: None,
    *,
    keeps_key: bool = True,
) -> RemovalResult:
    """Removes the tasks that may be removed now.

    A task that created files is removed only if `with_made_files` contains it. The idempotency keys stay known;
    `keeps_key` is False only for a task whose id no client has. The context's lock is held for one task at a time,
    so that no submit waits long. The disk space is free soon after the call.
    """
    inspector = TaskInspector(progress)
    removed: list[EndedTask] = []
    refused: list[PruningRefusal] = []
    for task_id in filter(is_folder_name, task_ids):
        progress()
        try:
            with exclusive_lock(layout.volumes_lock):
                outcome = _remove(layout, layout.task(task_id), inspector, task_id in with_made_files, keeps_key)
        except OSError as error:
            outcome = PruningRefusal(task_id, FAILED, error.strerror or type(error).__name__)
        if isinstance(outcome, PruningRefusal):
            refused.append(outcome)
        else:
            removed.append(outcome)
    if removed:
        with exclusive_lock(layout.volumes_lock):
            collect_garbage(layout)
    return RemovalResult(tuple(removed), tuple(refused))


def _remove(
    layout: Layout, task: TaskFolder, inspector: TaskInspector, may_have_made_files: bool, keeps_key: bool
) -> EndedTask | PruningRefusal:
    found, record = inspector.inspect(task), read_ended(task)
    if isinstance(found, PruningRefusal):
        return found
    if isinstance(record, PruningRefusal):
        return record
    if found.made_files and not may_have_made_files:
        return PruningRefusal(task.task_id, MADE_FILES, found.made_files[0])
    if (lock := try_lock(task.alive_lock)) is None:
        return PruningRefusal(task.task_id, SUPERVISED)
    try:
        spec = record[0]
        if keeps_key and (key := get_key(spec)) is not None:
            store_key(layout, key, found)
        if not keeps_key:
            mark_reusable(layout, task.task_id)
        _remove_ticket_and_ports(task, spec)
        task.path.rename(make_trash_path(task.path))
    finally:
        release(lock)
    return found


def _remove_ticket_and_ports(task: TaskFolder, spec: StoredSpec) -> None:
    """Removes the ticket and the port records of the task.

    Without the task's record they would be valid again while its submitter lives.
    """
    with queue.queue_lock(task.root):
        ticket = queue.find_ticket(task, spec.seq)
        if ticket is not None and ticket.task == task:
            ticket.drop()
        release_ports(task, spec.ports)
