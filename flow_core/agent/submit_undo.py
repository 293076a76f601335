"""Undoing the submit of a part, when another machine could not take its own. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable

from flow_core.agent.incoming import mark_withdrawn, remove_incoming
from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.pruning.removal import remove_tasks
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import NO_TASK, TaskStore

_END_S, _LOOK_S = 20.0, 0.05


def undo_submit(
    layout: Layout, tasks: TaskStore, task_id: str, progress: Callable[[], None], *, is_under_way: bool = False
) -> None:
    """The task is ended and forgotten, with the code that was sent for it: it may be submitted again, by the same key.

    `is_under_way` says that nobody knows whether its submit is over. Twice is safe; may take seconds.
    """
    if is_under_way:
        mark_withdrawn(layout, task_id)
        with exclusive_lock(layout.volumes_lock):
            pass  # whoever submits has it until the task is there
    remove_incoming(layout, task_id)
    deadline = time.monotonic() + _END_S
    try:
        tasks.cancel(task_id, force=True)
        # Its supervisor writes the end before it ends itself, and until then the task can't be removed.
        while not (tasks.get(task_id).report.is_over and _is_removed(layout, task_id, progress)):
            if time.monotonic() >= deadline:
                return
            progress()
            time.sleep(_LOOK_S)
    except Refused as refused:
        if refused.code != NO_TASK:
            raise


def _is_removed(layout: Layout, task_id: str, progress: Callable[[], None]) -> bool:
    """With its key forgotten: the same task may be submitted again."""
    return bool(remove_tasks(layout, [task_id], {task_id}, progress, keeps_key=False).removed)
