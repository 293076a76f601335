"""Summarizes the prices and quotas of a market for the rows of instance types. No side effects."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flow_core.models.instance import AvailableInstance
from flow_core.models.market import PriceSeries, Quota
from flow_tui.widgets.sparkline import draw_sparkline

HOURS = 24
CELLS = 12
_FLAT = 0.02  # share of the price; without it, small changes would look large
_LEVELS = 8


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """Prices as sparklines by (type, region), and how many more instances of a type the quotas allow."""

    sparks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)

    def draw_price_sparkline(self, instance: AvailableInstance) -> str:
        return self.sparks.get((instance.instance_type, instance.region), "")

    def count_left(self, instance: AvailableInstance) -> int | None:
        """Returns how many more instances of this type the quotas allow; None if unknown."""
        return self.left.get(instance.instance_type, self.left.get(""))


def summarize_market(series: Iterable[PriceSeries], quotas: Iterable[Quota], now: datetime) -> MarketSummary:
    """Summarizes a market. Of several quotas for one type, the lowest counts."""
    left: dict[str, int] = {}
    for quota in quotas:
        if quota.product.lower() == "spot" and quota.unit.lower() == "instances":
            left[quota.instance_type] = min(quota.left, left.get(quota.instance_type, quota.left))
    sparks = {(history.instance_type, history.region): draw_prices(sample_prices(history, now)) for history in series}
    return MarketSummary(sparks, left)


def sample_prices(series: PriceSeries, now: datetime) -> list[float | None]:
    """Returns the price at the end of each of `CELLS` equal spans of the last day; None before the first price."""
    span = timedelta(hours=HOURS) / CELLS
    prices: list[float | None] = []
    for cell in range(CELLS):
        count = bisect_right(series.times, now - span * (CELLS - 1 - cell))
        prices.append(float(series.prices_usd[count - 1]) if count else None)
    return prices


def draw_prices(prices: Sequence[float | None]) -> str:
    """Draws the prices, scaled from the lowest to the highest, to show the changes. A flat price is a low line."""
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    low, spread = min(known), max(max(known) - min(known), max(known) * _FLAT)
    shares = [None if price is None else (price - low) * (_LEVELS - 1) / (spread or 1.0) + 0.5 for price in prices]
    return draw_sparkline(shares, _LEVELS, CELLS)
