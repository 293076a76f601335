"""The facet for providers that keep ended tasks until they are pruned."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.pruning import PruningPlan, PruningResult

DAYS_MAX = 36500
"""A hundred years."""


class PruningFacet(Protocol):
    """The removal of ended tasks with their logs and records. Volumes are never touched."""

    async def plan(
        self, older_than_days: float | None, keep_last: int | None, task_ids: Collection[str] = ()
    ) -> PruningPlan:
        """Selects tasks that ended so long ago and are not among the last so many, and `task_ids`.

        Without a rule only `task_ids`. It reads the folder of every ended task. Twice is safe. Raises NotFound, and
        Conflict for a task of `task_ids` that can't be pruned.
        """

    async def prune(self, plan: PruningPlan) -> PruningResult:
        """Removes the tasks of a plan. Each is checked again; the result has the reason where one stays after all.

        Twice is safe. The space on disk is free soon after. Raises Unreachable.
        """

    async def plan_due(self) -> PruningPlan | None:
        """Returns the plan for the context's prune setting; None without a setting, or if it was planned already today.

        Twice is safe. At once where nothing is due.
        """

    def describe(self, plan: PruningPlan) -> str:
        """The exact call or command. At once."""
