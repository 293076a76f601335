"""Reservations: capacity that is held for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from flow_core.models.as_dict import as_dict


class ReservationStatus(StrEnum):
    """The status of a reservation. The values are words of the Flow SDK."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    CANCELED = "canceled"
    EXPIRED = "expired"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether it holds nothing and never will again."""
        return self not in _LIVE


_LIVE = frozenset(
    {ReservationStatus.SCHEDULED, ReservationStatus.PENDING, ReservationStatus.ACTIVE, ReservationStatus.PAUSED}
)


@dataclass(frozen=True, slots=True)
class ReservationQuote:
    """The price of a reservation: USD per hour of one instance, and in total."""

    unit_usd_per_hour: Decimal
    total_usd: Decimal


@dataclass(frozen=True, slots=True)
class Reservation:
    """`quantity` instances of a type, held for a time.

    They are held from `start_time_utc` (inclusive) to `end_time_utc` (exclusive; None: no end).

    Times are aware UTC datetimes. `price_total_usd` is None if nothing is billed or the price is unknown. `instances`
    are the ids of its machines, if the provider names them.
    """

    context: str
    reservation_id: str
    status: ReservationStatus
    instance_type: str
    quantity: int
    start_time_utc: datetime
    end_time_utc: datetime | None = None
    name: str = ""
    region: str = ""
    auto_renew: bool = False
    price_total_usd: Decimal | None = None
    instances: tuple[str, ...] = ()
    provider_metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        return self.reservation_id

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.reservation_id)

    def to_dict(self) -> dict[str, Any]:
        """Returns the reservation as plain data. Times are ISO 8601 in UTC."""
        return as_dict(self)
