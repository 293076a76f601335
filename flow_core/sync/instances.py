"""Instances, for blocking code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flow_core.client.instances import AsyncInstanceResource
from flow_core.sync.loop_thread import iter_sync
from flow_core.sync.twin import BlockingTwin, copy_docstring, make_blocking

if TYPE_CHECKING:
    from flow_core.models.metrics import MachineSample


class InstanceResource(BlockingTwin[AsyncInstanceResource]):
    """The instances of one context: the types that you can have, and the machines behind them."""

    find = make_blocking(AsyncInstanceResource.find)
    normalize = make_blocking(AsyncInstanceResource.normalize)
    prices = make_blocking(AsyncInstanceResource.prices)
    of_task = make_blocking(AsyncInstanceResource.of_task)

    @copy_docstring(AsyncInstanceResource.metrics)
    def metrics(self, allocation_id: str) -> Iterator[MachineSample]:
        return iter_sync(self._twin.metrics(allocation_id))
