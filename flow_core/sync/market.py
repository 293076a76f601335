"""The part of Flow for places where capacity is bid for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flow_core.client.flow import AsyncFlow
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import run_sync

if TYPE_CHECKING:
    from flow_core.models.market import PriceSeries, Quota, TaskEvent


class FlowMarket:
    """Prices, quotas and bids."""

    _flow: AsyncFlow

    @copy_docstring(AsyncFlow.price_history)
    def price_history(self, hours: int = 24) -> list[PriceSeries]:
        return run_sync(self._flow.price_history(hours))

    @copy_docstring(AsyncFlow.quotas)
    def quotas(self) -> list[Quota]:
        return run_sync(self._flow.quotas())

    @copy_docstring(AsyncFlow.task_history)
    def task_history(self, task_id: str) -> list[TaskEvent]:
        return run_sync(self._flow.task_history(task_id))

    @copy_docstring(AsyncFlow.set_limit_price)
    def set_limit_price(self, task_id: str, limit_usd_per_hour: Decimal | float) -> None:
        run_sync(self._flow.set_limit_price(task_id, limit_usd_per_hour))

    @copy_docstring(AsyncFlow.pause_task)
    def pause_task(self, task_id: str) -> None:
        run_sync(self._flow.pause_task(task_id))

    @copy_docstring(AsyncFlow.resume_task)
    def resume_task(self, task_id: str) -> None:
        run_sync(self._flow.resume_task(task_id))
