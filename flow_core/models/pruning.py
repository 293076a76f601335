"""Pruning of ended tasks: what would go, and what went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.models.task import TaskStatus


@dataclass(frozen=True, slots=True)
class PrunableTask:
    """An ended task as it was found. `made_files` are paths in its own folder that the task made there itself."""

    task_id: str
    name: str
    status: TaskStatus
    ended_at: datetime
    size_bytes: int
    made_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PruningPlan:
    """What a pruning would remove, first ended first. Nothing else goes when it is carried out.

    `kept` would go too, but hold files that they made, and were not named. `refused` can't go now; each with a
    sentence that says why, by task id.
    """

    context: str
    tasks: tuple[PrunableTask, ...]
    kept: tuple[PrunableTask, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(task.size_bytes for task in self.tasks)

    @property
    def oldest(self) -> PrunableTask | None:
        """The task that ended first; None where nothing would go."""
        return min(self.tasks, key=lambda task: task.ended_at, default=None)


@dataclass(frozen=True, slots=True)
class PruningResult:
    """What went, and by task id a sentence for each task of the plan that stayed after all."""

    context: str
    pruned: tuple[PrunableTask, ...]
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def size_bytes(self) -> int:
        """What becomes free on disk."""
        return sum(task.size_bytes for task in self.pruned)
