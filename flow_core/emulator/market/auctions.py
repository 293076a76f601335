"""One auction for each instance type in each region: a moving price and the free capacity."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from flow_core.emulator.ids import IdSource
from flow_core.emulator.market.catalog import DEFAULT_IMAGE, OFFERINGS, Offering
from flow_core.emulator.money import format_dollars

_STEP = timedelta(minutes=15)
_STEPS_BEFORE = 7 * 24 * 4
_MAX_POINTS = 20_000
_DRIFT = 0.04  # of the price, each step
_PULL = 0.05  # of the distance to the usual price, each step
_SURGE_CHANCE = 0.008
_SURGE = 2.5


@dataclass(slots=True)
class Auction:
    """The auction of an instance type in a region.

    `capacity` is the number of free instances. `prices` are (time, cents) in order; the last is the current one.
    """

    fid: str
    offering: Offering
    capacity: int
    prices: list[tuple[datetime, int]]
    chance: random.Random
    allocated_limits: dict[str, int] = field(default_factory=dict)

    @property
    def price_cents(self) -> int:
        return self.prices[-1][1]

    @property
    def lowest_allocated_cents(self) -> int | None:
        return min(self.allocated_limits.values(), default=None)

    def set_price(self, cents: int, now: datetime) -> None:
        self.prices.append((now, max(cents, self.offering.minimum_cents)))
        del self.prices[:-_MAX_POINTS]

    def move(self, now: datetime) -> None:
        """Moves to the next price. The same seed gives the same prices in the same order."""
        self.set_price(_next_cents(self.price_cents, self.offering.price_cents, self.chance), now)

    def as_json(self) -> dict[str, Any]:
        lowest = self.lowest_allocated_cents
        return {
            "fid": self.fid,
            "instance_type": self.offering.instance_type,
            "region": self.offering.region,
            "capacity": self.capacity,
            "last_instance_price": format_dollars(self.price_cents),
            "lowest_allocated_price": None if lowest is None else format_dollars(lowest),
            "adjustable_memory": self.offering.has_adjustable_memory,
            "default_image_version": DEFAULT_IMAGE,
        }


def open_auctions(ids: IdSource, seed: int, now: datetime) -> list[Auction]:
    """Creates every auction, each with a week of past prices that ends at the usual price."""
    times = [now - step * _STEP for step in range(_STEPS_BEFORE, -1, -1)]
    return [_open(offering, ids, seed, times) for offering in OFFERINGS]


def _open(offering: Offering, ids: IdSource, seed: int, times: list[datetime]) -> Auction:
    past = _past_prices(offering, seed)
    chance = random.Random()
    chance.setstate(past.chance)
    prices = list(zip(times, past.cents, strict=True))
    return Auction(ids.make("auc"), offering, offering.capacity, prices, chance)


class _Past(NamedTuple):
    """Prices from the oldest to the current one, and the state of the generator after them."""

    cents: tuple[int, ...]
    chance: tuple[Any, ...]


@lru_cache(maxsize=256)  # the same in every world with the same seed
def _past_prices(offering: Offering, seed: int) -> _Past:
    chance = random.Random(f"prices {seed} {offering.instance_type} {offering.region}")
    cents = [offering.price_cents]
    for _ in range(_STEPS_BEFORE):
        cents.append(max(_next_cents(cents[-1], offering.price_cents, chance), offering.minimum_cents))
    return _Past(tuple(reversed(cents)), chance.getstate())


def _next_cents(cents: int, usual_cents: int, chance: random.Random) -> int:
    surge = _SURGE if chance.random() < _SURGE_CHANCE else 1.0
    moved = cents * surge * (1 + chance.gauss(0, _DRIFT))
    return round(moved + (usual_cents - moved) * _PULL)
