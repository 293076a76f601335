"""The plan and the result of pruning ended tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.models.task import TaskStatus


@dataclass(frozen=True, slots=True)
class PrunableTask:
    """An ended task when the plan was made. `made_files` are paths in its own folder that the task created there."""

    task_id: str
    name: str
    status: TaskStatus
    ended_at: datetime
    size_bytes: int
    made_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PruningPlan:
    """The tasks that a pruning would remove, in the order of their ends. Carrying it out removes nothing else.

    `kept` are tasks that stay because they created files and were not selected by name. `refused` maps the ids of tasks
    that can't be removed now to a sentence with the reason.
    """

    context: str
    tasks: tuple[PrunableTask, ...]
    kept: tuple[PrunableTask, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def size_bytes(self) -> int:
        """The size on disk of the tasks to remove."""
        return sum(task.size_bytes for task in self.tasks)

    @property
    def oldest(self) -> PrunableTask | None:
        """The task that ended first; None if the plan is empty."""
        return min(self.tasks, key=lambda task: task.ended_at, default=None)


@dataclass(frozen=True, slots=True)
class PruningResult:
    """The removed tasks. `refused` maps the ids of tasks of the plan that stayed to a sentence with the reason."""

    context: str
    pruned: tuple[PrunableTask, ...]
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def size_bytes(self) -> int:
        """The freed size on disk."""
        return sum(task.size_bytes for task in self.pruned)
