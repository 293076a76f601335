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
        """What would go: tasks that ended so long ago and are not among the last so many, and those that are named.

        Without a rule only those that are named. May take as long as reading the folders of all of them. Twice is
        safe. Raises NotFound, and Conflict for a named task that can't go.
        """

    async def prune(self, plan: PruningPlan) -> PruningResult:
        """Removes the tasks of a plan. Each is looked at again; the result says why one stays after all.

        Twice is safe. The space on disk is free soon after. Raises Unreachable.
        """

    async def plan_due(self) -> PruningPlan | None:
        """What the context's setting removes, for one caller a day; None for every other one, and without the setting.

        At once where nothing is due.
        """

    def describe(self, plan: PruningPlan) -> str:
        """The exact call or command. At once."""
