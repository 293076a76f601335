"""The rows of reservations, of their grants and of their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from flow_core.emulator.clock import Timer, iso_time
from flow_core.emulator.money import format_dollars
from flow_core.emulator.orders.order import Order
from flow_core.emulator.reservations.offers import ReservationOffer

ReservationStatus = Literal["Pending", "Active", "Paused", "Canceled", "Ended"]
ReservationEventType = Literal[
    "Placed", "Active", "Paused", "Resumed", "Canceled", "Ended", "Terms Set", "Terms Changed"
]


@dataclass(frozen=True, slots=True)
class ReservationEvent:
    at: datetime
    kind: ReservationEventType
    user: str | None
    terms: ReservationOffer | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "timestamp": iso_time(self.at),
            "event_type": self.kind,
            "user_id": self.user,
            "unit_price_cents": self.terms and self.terms.unit_cents,
            "pause_credit_cents": self.terms and self.terms.pause_cents,
            "return_credit_cents": self.terms and self.terms.return_cents,
        }


@dataclass(slots=True)
class Grant:
    """A quantity of instances for a time, at these terms. `returns` are the times at which one was given back."""

    fid: str
    start: datetime
    end: datetime
    quantity: int
    terms: ReservationOffer
    returns: list[datetime] = field(default_factory=list)

    @property
    def price_cents(self) -> int:
        return round(self.terms.unit_cents * hours(self.end - self.start) * self.quantity)

    @property
    def return_credit_cents(self) -> int:
        left = sum(hours(self.end - max(at, self.start)) for at in self.returns if at < self.end)
        return round(self.terms.return_cents * left)

    def as_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "starts_at": iso_time(self.start),
            "ends_at": iso_time(self.end),
            "quantity": self.quantity,
            "unit_price": self.terms.unit_cents,
            "price_credit": self.price_cents,
            "return_credit": self.return_credit_cents,
        }


@dataclass(slots=True, kw_only=True)
class ReservationRow(Order):
    """A reservation. `timer` is the next change of status.

    `pauses` are (start, end); the end of an open pause is None.
    """

    product: ClassVar[Literal["Spot", "Reservations"]] = "Reservations"
    start_time: datetime
    grants: list[Grant]
    status: ReservationStatus = "Pending"
    events: list[ReservationEvent] = field(default_factory=list)
    pauses: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    timer: Timer | None = None

    @property
    def end_time(self) -> datetime:
        return self.grants[-1].end

    @property
    def is_over(self) -> bool:
        return self.status in ("Canceled", "Ended")

    @property
    def hour_cents(self) -> int:
        return self.grants[-1].terms.unit_cents

    def as_json(self) -> dict[str, Any]:
        return {
            **self.order_json(),
            "status": self.status,
            "start_time": iso_time(self.start_time),
            "end_time": iso_time(self.end_time),
            "total_price": format_dollars(sum(grant.price_cents for grant in self.grants)),
            "unit_price": format_dollars(self.grants[-1].terms.unit_cents),
        }


def hours(span: timedelta) -> float:
    return span.total_seconds() / 3600
