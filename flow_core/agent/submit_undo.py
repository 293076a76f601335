"""Undoes the submit of a part after another machine refused its own part."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.pruning.removal import remove_tasks
from flow_core.agent.refusals import Refused
from flow_core.agent.staged_code import mark_withdrawn, remove_incoming
from flow_core.agent.tasks import NO_TASK, TaskStore

_TIMEOUT_S, _POLL_S = 20.0, 0.05


def undo_submit(
    layout: Layout, tasks: TaskStore, task_id: str, progress: Callable[[], None], *, is_under_way: bool = False
) -> None:
    """Ends the task and removes it with its code; it may then be submitted again with the same key.

    `is_under_way` is true if the caller doesn't know whether the submit has finished. Calling it again is safe. Takes
    at most about 20 s.
    """
    if is_under_way:
        mark_withdrawn(layout, task_id)
        with exclusive_lock(layout.volumes_lock):
            pass  # a submit holds it until the task exists
    remove_incoming(layout, task_id)
    deadline = time.monotonic() + _TIMEOUT_S
    try:
        tasks.cancel(task_id, force=True)
        # Its supervisor writes the final state before it exits, and until it exits the task can't be removed.
        while not (tasks.get(task_id).report.is_over and _try_remove(layout, task_id, progress)):
            if time.monotonic() >= deadline:
                return
            progress()
            time.sleep(_POLL_S)
    except Refused as refused:
        if refused.code != NO_TASK:
            raise


def _try_remove(layout: Layout, task_id: str, progress: Callable[[], None]) -> bool:
    """Tries to remove the task, and its idempotency key too: the same task may be submitted again."""
    return bool(remove_tasks(layout, [task_id], {task_id}, progress, keeps_key=False).removed)
