"""What capacity costs and has cost, how much of it one may use, and what happened to a task's bid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """What one instance of a type cost in a region, USD per hour, from each time (UTC) on. Oldest first."""

    instance_type: str
    region: str
    times: tuple[datetime, ...]
    prices_usd: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of something the project may have. `product` and `unit` are the provider's words, such as "Spot" and
    "instances"; an empty `instance_type` means all of them."""

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
    """Something that happened to a task, in the provider's words. `node` is the instance's id, "" for all of it."""

    at: datetime
    what: str
    detail: str = ""
    node: str = ""
