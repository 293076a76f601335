"""Prices and quotas of one market, as the rows of instance types show them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flow_core.models.instance import AvailableInstance
from flow_core.models.market import PriceSeries, Quota
from flow_tui.widgets.sparkline import spark

HOURS = 24
CELLS = 12
_FLAT = 0.02  # of the price: smaller moves would be drawn as mountains
_LEVELS = 8


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """Prices as sparks by (type, region), and how many more of a type the project may have."""

    sparks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)

    def spark_of(self, instance: AvailableInstance) -> str:
        return self.sparks.get((instance.instance_type, instance.region), "")

    def left_of(self, instance: AvailableInstance) -> int | None:
        """None where nobody says."""
        return self.left.get(instance.instance_type, self.left.get(""))


def market_of(series: Iterable[PriceSeries], quotas: Iterable[Quota], now: datetime) -> MarketSummary:
    """Of several quotas for one type the tightest counts."""
    left: dict[str, int] = {}
    for quota in quotas:
        if quota.product.lower() == "spot" and quota.unit.lower() == "instances":
            left[quota.instance_type] = min(quota.left, left.get(quota.instance_type, quota.left))
    sparks = {(one.instance_type, one.region): price_spark(sampled(one, now)) for one in series}
    return MarketSummary(sparks, left)


def sampled(series: PriceSeries, now: datetime) -> list[float | None]:
    """The price at the end of each of `CELLS` equal spans of the last day; None before the first one that is known."""
    span = timedelta(hours=HOURS) / CELLS
    prices: list[float | None] = []
    for cell in range(CELLS):
        known = bisect_right(series.times, now - span * (CELLS - 1 - cell))
        prices.append(float(series.prices_usd[known - 1]) if known else None)
    return prices


def price_spark(prices: Sequence[float | None]) -> str:
    """Between the lowest and the highest of them: it is the change that matters. A flat price is a low line."""
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    low, room = min(known), max(max(known) - min(known), max(known) * _FLAT)
    shares = [None if price is None else (price - low) * (_LEVELS - 1) / (room or 1.0) + 0.5 for price in prices]
    return spark(shares, _LEVELS, CELLS)
