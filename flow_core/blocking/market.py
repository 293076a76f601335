"""The part of Flow for places where capacity is bid for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flow_core._loop import call
from flow_core.blocking.words import same_as
from flow_core.client.flow import AsyncFlow

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent


class FlowMarket:
    """Prices, quotas and bids."""

    _flow: AsyncFlow

    @same_as(AsyncFlow.price_history)
    def price_history(self, hours: int = 24) -> list[PriceSeries]:
        return call(self._flow.price_history(hours))

    @same_as(AsyncFlow.quotas)
    def quotas(self) -> list[Quota]:
        return call(self._flow.quotas())

    @same_as(AsyncFlow.task_history)
    def task_history(self, task_id: str) -> list[TaskEvent]:
        return call(self._flow.task_history(task_id))

    @same_as(AsyncFlow.set_limit_price)
    def set_limit_price(self, task_id: str, limit_usd_per_hour: Decimal | float) -> None:
        call(self._flow.set_limit_price(task_id, limit_usd_per_hour))

    @same_as(AsyncFlow.pause_task)
    def pause_task(self, task_id: str) -> None:
        call(self._flow.pause_task(task_id))

    @same_as(AsyncFlow.resume_task)
    def resume_task(self, task_id: str) -> None:
        call(self._flow.resume_task(task_id))
