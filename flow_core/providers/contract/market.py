"""The facet for providers where capacity has a market price, and a task has a price limit."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent
    from flow_core.models.task import TaskRecord


class MarketFacet(Protocol):
    """Prices, quotas, and what can be done to a bid."""

    async def prices(self, hours: int = 24) -> tuple[PriceSeries, ...]:
        """The price of every type in every region in the last hours, with one request. Twice is safe."""

    async def quotas(self) -> tuple[Quota, ...]:
        """How much of each product the project may have, and has. Twice is safe."""

    async def history(self, task_id: str) -> tuple[TaskEvent, ...]:
        """The events of a task and its machines, oldest first. Twice is safe. Raises NotFound."""

    async def set_limit(self, task_id: str, limit_usd_per_hour: Decimal) -> None:
        """Sets the price limit of one instance of a task. Twice is safe.

        Raises NotFound, ConfigError (field "limit_usd_per_hour"), Conflict for a task that has ended.
        """

    async def pause(self, task_id: str) -> None:
        """Stops the machines of a task, and their cost. Twice is safe. Raises NotFound, Conflict."""

    async def resume(self, task_id: str) -> None:
        """Bids again. Twice is safe. Raises NotFound, Conflict."""

    def describe_set_limit(self, task: TaskRecord, limit_usd_per_hour: Decimal) -> str:
        """The exact call, with the largest total cost. At once."""

    def describe_pause(self, task: TaskRecord) -> str:
        """The exact call. At once."""

    def describe_resume(self, task: TaskRecord) -> str:
        """The exact call, with the largest cost. At once."""
