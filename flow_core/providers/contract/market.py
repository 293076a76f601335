"""The facet for providers with market prices for capacity, and a price limit for each task."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent
    from flow_core.models.task import TaskRecord


class MarketFacet(Protocol):
    """Prices, quotas, and changes to a bid."""

    async def prices(self, hours: int = 24) -> tuple[PriceSeries, ...]:
        """Returns the price of every type in every region in the last hours, with one request.

        Calling it again is safe.
        """

    async def quotas(self) -> tuple[Quota, ...]:
        """Returns how much of each product the project may have, and has. Calling it again is safe."""

    async def history(self, task_id: str) -> tuple[TaskEvent, ...]:
        """Returns the events of a task and its machines, oldest first. Calling it again is safe. Raises NotFound."""

    async def set_limit(self, task_id: str, limit_usd_per_hour: Decimal) -> None:
        """Sets the price limit of one instance of a task. Calling it again is safe.

        Raises NotFound, ConfigError (field "limit_usd_per_hour"), Conflict for a task that has ended.
        """

    async def pause(self, task_id: str) -> None:
        """Stops the machines of a task, and their cost. Calling it again is safe. Raises NotFound, Conflict."""

    async def resume(self, task_id: str) -> None:
        """Bids again. Calling it again is safe. Raises NotFound, Conflict."""

    def describe_set_limit(self, task: TaskRecord, limit_usd_per_hour: Decimal) -> str:
        """Returns the exact call, with the largest total cost. Makes no request."""

    def describe_pause(self, task: TaskRecord) -> str:
        """Returns the exact call. Makes no request."""

    def describe_resume(self, task: TaskRecord) -> str:
        """Returns the exact call, with the largest cost. Makes no request."""
