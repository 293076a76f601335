"""Prices and price history of capacity, quotas, and events of a task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """The price of one instance of a type in a region, USD per hour, from each time (UTC) on. Oldest first."""

    instance_type: str
    region: str
    times: tuple[datetime, ...]
    prices_usd: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """The amount of something that a project may use.

    `product` and `unit` are the provider's words, such as "Spot" and "instances". An empty `instance_type` means all
    types.
    """

    name: str
    product: str
    unit: str
    used: int
    total: int
    instance_type: str = ""

    @property
    def left(self) -> int:
        return max(0, self.total - self.used)


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """An event of a task, in the provider's words. `node` is the instance's id; "" for the whole task."""

    at: datetime
    what: str
    detail: str = ""
    node: str = ""
