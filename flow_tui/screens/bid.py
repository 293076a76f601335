"""Pure: a task's bid, in words: its limit, the market, and the room between them."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_tui import format

_AMOUNT = re.compile(r"\$?\s*(\d{1,6}(?:\.\d{1,4})?)", re.ASCII)
PRICES = frozenset({"limit_price", "market_price", "bid_status"})
"""What of a task's provider_metadata is told here."""


class Bid(NamedTuple):
    """USD per hour and instance; None where nobody says."""

    limit: Decimal | None
    market: Decimal | None


def bid_of(task: TaskRecord) -> Bid:
    told = task.provider_metadata
    return Bid(_amount(told.get("limit_price")), _amount(told.get("market_price")))


def parse_usd(text: str, field: str = "limit_usd_per_hour") -> Decimal:
    """USD of "12", "12.50" or "$12.50". Raises ConfigError."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or not Decimal(found[1]):
        raise ConfigError("write dollars an hour for one instance, such as 12.50", field=field)
    return Decimal(found[1])


def headroom(limit: Decimal | None, market: Decimal | None) -> str:
    """How far the price may rise before the machines are lost: "+31%"; "" where that isn't known."""
    if limit is None or not market:
        return ""
    share = (limit - market) / market * 100
    if share < 0:
        return f"none: {-share:.0f}% under the market"
    return f"+{share:.0f}%" if limit > market else "none: the next rise takes the machines"


def _amount(told: Any) -> Decimal | None:
    try:
        return Decimal(str(told).strip().removeprefix("$").replace(",", "")) if told is not None else None
    except InvalidOperation:
        return None


def bid_line(limit: Decimal, instances: int, market: Decimal | None) -> str:
    """A limit in one line, with what it may cost in all."""
    now = "" if market is None else f"; the market is at {format.hourly(market)}, headroom {headroom(limit, market)}"
    return f"at most {format.sums(limit, instances)}{now}"
