"""The cost of a task so far: each of its machines, at the price of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flow_core.errors import FlowError, ProviderError
from flow_core.providers.mithril.bids import Bid, parse_time
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.money import parse_cents
from flow_core.providers.mithril.pagination import read_all_pages

_PATH = "/v2/instances/pricing/history"
_KEPT_S = 10.0
_HOUR_S = Decimal(3600)
_CENT = Decimal("0.01")


class Costs:
    """The costs of tasks. For running tasks they are at most ten seconds old; for ended tasks they are read once."""

    def __init__(self, http: MithrilHttp) -> None:
        self._http = http
        self._cached: dict[str, tuple[float, bool, Decimal | None]] = {}

    async def get_cost(self, bid: Bid) -> Decimal | None:
        """Returns the cost in USD; None if unknown."""
        is_over = bid.status == "Terminated"
        read_at, was_over, cost = self._cached.get(bid.bid_id, (-_KEPT_S, False, None))
        if was_over or (not is_over and time.monotonic() - read_at < _KEPT_S):
            return cost
        try:
            params = {"project": bid.project_id, "bid_fid": bid.bid_id}
            rows = await read_all_pages(self._http, _PATH, "instances", params)
            cost = sum(_compute_costs(rows, bid.ended_at or datetime.now(UTC)), Decimal()).quantize(_CENT)
        except FlowError:
            return cost
        self._cached[bid.bid_id] = (time.monotonic(), is_over, cost)
        return cost


def _compute_costs(rows: list[Any], until: datetime) -> Iterator[Decimal]:
    """Yields the cost of each period of each machine.

    Raises ProviderError if one can't be read, since the sum would be wrong.
    """
    for row in rows:
        events = row.get("events") if isinstance(row, dict) else None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise ProviderError("the prices of a machine can't be read")
        for event in events:
            price, start = parse_cents(event.get("price_cents")), parse_time(event.get("start_time"))
            if price is None or start is None:
                raise ProviderError("a price of a machine, or its time, can't be read")
            seconds = ((parse_time(event.get("end_time")) or until) - start).total_seconds()
            yield price * Decimal(max(0.0, seconds)) / _HOUR_S
