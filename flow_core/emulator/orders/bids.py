"""The rows of bids and of their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from flow_core.emulator.clock import Timer, iso_time
from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.money import format_dollars
from flow_core.emulator.orders.order import Order

BidStatus = Literal["Open", "Allocated", "Preempting", "Terminated", "Paused"]
BidEventType = Literal[
    "Placed",
    "Paused",
    "Resumed",
    "Terminated",
    "Allocated",
    "Preempted",
    "Limit Price Changed",
    "Memory Adjusted",
    "Volumes Attached",
    "Volumes Removed",
]


@dataclass(slots=True)
class BidEvent:
    at: datetime
    kind: BidEventType
    user: str | None = None
    limit_cents: int | None = None
    memory_gb: int | None = None
    attached: str | None = None
    removed: str | None = None

    def as_json(self) -> dict[str, Any]:
        changed = self.attached is not None or self.removed is not None
        return {
            "timestamp": iso_time(self.at),
            "event_type": self.kind,
            "limit_price": None if self.limit_cents is None else format_dollars(self.limit_cents),
            "user_id": self.user,
            "memory_gb": self.memory_gb,
            "persistent_disk_change": {"attached": self.attached, "removed": self.removed} if changed else None,
        }


@dataclass(slots=True, kw_only=True)
class BidRow(Order):
    """A bid. `timer` is the next change of status. An open bid without a timer waits for the market."""

    product: ClassVar[Literal["Spot", "Reservations"]] = "Spot"
    auction: Auction
    limit_cents: int
    status: BidStatus = "Open"
    events: list[BidEvent] = field(default_factory=list)
    timer: Timer | None = None

    def set_status(self, status: BidStatus) -> None:
        """Sets the status and cancels the timer."""
        self.status = status
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    @property
    def hour_cents(self) -> int:
        return self.auction.price_cents

    def as_json(self) -> dict[str, Any]:
        return {**self.order_json(), "limit_price": format_dollars(self.limit_cents), "status": self.status}
