"""What a task has cost so far: each of its machines, at the price that it had at the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flow_core.errors import FlowError, ProviderError
from flow_core.providers.mithril.bids import Bid, moment
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.money import dollars_of_cents
from flow_core.providers.mithril.pagination import read_all_pages

_PATH = "/v2/instances/pricing/history"
_KEPT_S = 10.0
_HOUR_S = Decimal(3600)
_CENT = Decimal("0.01")


class Costs:
    """Of tasks that go on, ten seconds old at most; of those that have ended, asked for once."""

    def __init__(self, http: MithrilHttp) -> None:
        self._http = http
        self._known: dict[str, tuple[float, bool, Decimal | None]] = {}

    async def so_far(self, bid: Bid) -> Decimal | None:
        """USD; None where nobody says."""
        is_over = bid.status == "Terminated"
        at, was_over, cost = self._known.get(bid.bid_id, (-_KEPT_S, False, None))
        if was_over or (not is_over and time.monotonic() - at < _KEPT_S):
            return cost
        try:
            wanted = {"project": bid.project_id, "bid_fid": bid.bid_id}
            rows = await read_all_pages(self._http, _PATH, "instances", wanted)
            cost = sum(_costs(rows, bid.ended_at or datetime.now(UTC)), Decimal()).quantize(_CENT)
        except FlowError:
            return cost
        self._known[bid.bid_id] = (time.monotonic(), is_over, cost)
        return cost


def _costs(rows: list[Any], until: datetime) -> Iterator[Decimal]:
    """Raises ProviderError: a sum that lacks a part would be a wrong one."""
    for row in rows:
        events = row.get("events") if isinstance(row, dict) else None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise ProviderError("the prices of a machine can't be read")
        for event in events:
            price, start = dollars_of_cents(event.get("price_cents")), moment(event.get("start_time"))
            if price is None or start is None:
                raise ProviderError("a price of a machine, or its time, can't be read")
            seconds = ((moment(event.get("end_time")) or until) - start).total_seconds()
            yield price * Decimal(max(0.0, seconds)) / _HOUR_S
