"""The contract's facet for places where capacity has a price that moves, and a task a limit to what it pays."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent
    from flow_core.models.task import TaskRecord


class MarketFacet(Protocol):
    """Prices, quotas, and what can be done to a bid."""

    async def prices(self, hours: int = 24) -> tuple[PriceSeries, ...]:
        """What every type cost in every region in the last hours. One request, whatever their number. Twice is safe."""

    async def quotas(self) -> tuple[Quota, ...]:
        """Twice is safe."""

    async def history(self, task_id: str) -> tuple[TaskEvent, ...]:
        """What happened to a task and its machines, oldest first. Twice is safe. Raises NotFound."""

    async def set_limit(self, task_id: str, limit_usd_per_hour: Decimal) -> None:
        """The most that one instance of a task may cost from now on. Twice is safe.

        Raises NotFound, ConfigError (field "limit_usd_per_hour"), Conflict for a task that has ended.
        """

    async def pause(self, task_id: str) -> None:
        """Stops its machines and their cost; the task keeps its place. Twice is safe. Raises NotFound, Conflict."""

    async def resume(self, task_id: str) -> None:
        """Bids again. Twice is safe. Raises NotFound, Conflict."""

    def describe_set_limit(self, task: TaskRecord, limit_usd_per_hour: Decimal) -> str:
        """The exact call, with what it may cost in all. At once."""

    def describe_pause(self, task: TaskRecord) -> str:
        """The exact call. At once."""

    def describe_resume(self, task: TaskRecord) -> str:
        """The exact call, with what it may cost. At once."""
