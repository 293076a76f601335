"""Capacity with a price: what it costs, what may be used of it, and the bids of tasks."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent
    from flow_core.providers.market import MarketFacet


class MarketCalls(ContextClient):
    """What a client does where capacity is bid for. Everything here raises Unsupported elsewhere."""

    async def price_history(self, hours: int = 24) -> list[PriceSeries]:
        """What every instance type cost in every region in the last hours, USD per hour and instance."""
        return list(await self._market.prices(validation.whole("hours", hours, 1, 24 * 366)))

    async def quotas(self) -> list[Quota]:
        """How much the project may have, and has."""
        return list(await self._market.quotas())

    async def task_history(self, task_id: str) -> list[TaskEvent]:
        """What happened to a task's bid and machines, oldest first. Raises NotFound."""
        return list(await self._market.history(validation.text("task_id", task_id)))

    async def set_limit_price(self, task_id: str, limit_usd_per_hour: Decimal | float) -> None:
        """The most that one instance of a task may cost per hour from now on. Twice is safe.

        Raises NotFound, ConfigError, Conflict for a task that has ended.
        """
        wanted, limit, market = validation.text("task_id", task_id), _usd(limit_usd_per_hour), self._market
        call = market.describe_set_limit(await self.provider.get_task(wanted), limit)
        await self.change("set limit", wanted, call, lambda: market.set_limit(wanted, limit))

    async def pause_task(self, task_id: str) -> None:
        """Stops a task's machines and their cost; what runs on them ends. Twice is safe. Raises NotFound, Conflict."""
        wanted, market = validation.text("task_id", task_id), self._market
        call = market.describe_pause(await self.provider.get_task(wanted))
        await self.change("pause", wanted, call, lambda: market.pause(wanted))

    async def resume_task(self, task_id: str) -> None:
        """Bids again for a paused task. Twice is safe. Raises NotFound, Conflict."""
        wanted, market = validation.text("task_id", task_id), self._market
        call = market.describe_resume(await self.provider.get_task(wanted))
        await self.change("resume", wanted, call, lambda: market.resume(wanted))

    @property
    def _market(self) -> MarketFacet:
        return self.facet(self.provider.market, "market")


def _usd(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ConfigError(
            f"limit_usd_per_hour: must be a number, not {type(value).__name__}", field="limit_usd_per_hour"
        )
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ConfigError("limit_usd_per_hour: must be a finite number", field="limit_usd_per_hour")
    return amount
