"""Describes a task's bid in words: its price limit, the market price, and the margin between them. No side effects."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from typing import NamedTuple

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_tui import format

_AMOUNT = re.compile(r"\$?\s*(\d{1,6}(?:\.\d{1,4})?)", re.ASCII)
_PROPOSED_MARGIN = Decimal("0.25")
PRICES = frozenset({"limit_price", "market_price", "bid_status"})
"""The keys of a task's provider_metadata that the description of the bid already covers."""


class BidPrices(NamedTuple):
    """Prices of a bid in USD per hour and instance; None if unknown."""

    limit: Decimal | None
    market: Decimal | None


def get_bid_prices(task: TaskRecord) -> BidPrices:
    return (
        BidPrices(None, None)
        if task.bid is None
        else BidPrices(task.bid.limit_usd_per_hour, task.bid.market_usd_per_hour)
    )


def parse_usd(text: str, field: str = "limit_usd_per_hour") -> Decimal:
    """Parses USD from "12", "12.50" or "$12.50". Raises ConfigError."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or not Decimal(found[1]):
        raise ConfigError("enter USD per hour for one instance, such as 12.50", field=field)
    return Decimal(found[1])


def format_margin(limit: Decimal | None, market: Decimal | None) -> str:
    """Returns how far the limit is above the market price: "31% above the market price"; "" if unknown."""
    if limit is None or not market:
        return ""
    if limit == market:
        return "none: the next price rise stops this task"
    distance = _format_distance(limit, market)
    return distance if limit > market else f"none: the limit is {distance}"


def propose_limit(market: Decimal) -> Decimal:
    """Returns a limit that leaves a margin above the market price, rounded up to whole cents."""
    return (market * (1 + _PROPOSED_MARGIN)).quantize(Decimal("0.01"), ROUND_UP)


def describe_limit(limit: Decimal, instances: int, market: Decimal | None) -> str:
    """Describes a limit in one line, with the highest total cost and the margin."""
    most = f"at most {format.sums(limit, instances)}"
    if not market:
        return most
    if limit == market:
        return f"{most}; no margin: the next rise above {format.hourly(market)} stops this task"
    return f"{most}; {_format_distance(limit, market)} of {format.hourly(market)}"


def _format_distance(limit: Decimal, market: Decimal) -> str:
    share = (limit - market) / market * 100
    return f"{abs(share):.0f}% {'above' if share > 0 else 'below'} the market price"
