"""Converts an agent's reports about pruning to models and sentences."""

from __future__ import annotations

from collections.abc import Iterable

from flow_core.agent.pruning import selection
from flow_core.agent.pruning.selection import EndedTask, PruningRefusal
from flow_core.agent.utc_time import to_utc_datetime
from flow_core.errors import printable
from flow_core.models.pruning import PrunableTask
from flow_core.models.task import TaskStatus


def to_prunable_tasks(tasks: Iterable[EndedTask]) -> tuple[PrunableTask, ...]:
    """Converts tasks that can be pruned to models."""
    return tuple(
        PrunableTask(
            task.task_id,
            task.name,
            TaskStatus(task.status),
            to_utc_datetime(task.ended_at),
            task.size_bytes,
            task.made_files,
        )
        for task in tasks
    )


def explain_refusals(refusals: Iterable[PruningRefusal]) -> dict[str, str]:
    """Returns the reason why each task can't be pruned, by task id."""
    return {refusal.task_id: explain_refusal(refusal) for refusal in refusals}


def explain_refusal(refusal: PruningRefusal) -> str:
    """Returns the reason why a task can't be pruned."""
    detail = printable(refusal.detail)
    reasons = {
        selection.UNFINISHED: "it is not over; cancel it first",
        selection.SUPERVISED: "its supervisor is still at work; try again in a moment",
        selection.PROCESSES: "processes of it are still alive; end them first",
        selection.BROKEN: f"its record is broken: {detail}",
        selection.GONE: "it is gone already",
        selection.MOUNTED: f"something is mounted in its folder, at {detail}; unmount it first",
        selection.MADE_FILES: f"it holds files that it made, such as {detail}; name it to prune it too",
        selection.FAILED: f"the system reports: {detail}",
    }
    return reasons.get(refusal.code, "for a reason that this version of flow doesn't know; update flow")
