"""The rows of instances and of their price histories."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from flow_core.emulator.clock import Timer, iso_time, iso_time_or_none
from flow_core.emulator.orders.order import Order

Status = Literal[
    "STATUS_NEW",
    "STATUS_CONFIRMED",
    "STATUS_INITIALIZING",
    "STATUS_STARTING",
    "STATUS_RUNNING",
    "STATUS_STOPPING",
    "STATUS_TERMINATED",
    "STATUS_RELOCATING",
    "STATUS_PREEMPTING",
    "STATUS_PREEMPTED",
    "STATUS_REPLACED",
    "STATUS_PAUSED",
    "STATUS_ERROR",
]
STATUSES: tuple[Status, ...] = get_args(Status)
_UP = ("STATUS_RUNNING", "STATUS_PREEMPTING", "STATUS_RELOCATING")


@dataclass(slots=True)
class Price:
    """The price of one hour in a period; `end` is None while it lasts."""

    cents: int
    start: datetime
    end: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "price_cents": self.cents,
            "start_time": iso_time(self.start),
            "end_time": iso_time_or_none(self.end),
        }


@dataclass(slots=True)
class InstanceRow:
    """An instance. `index` counts from 0 within its order. `timer` is the next change of status.

    `has_booted` is whether it has a disk that the startup script has run on; `is_warned` is whether that disk has a
    warning of the end.
    """

    fid: str
    order: Order
    index: int
    created_at: datetime
    private_ip: str
    status: Status = "STATUS_NEW"
    ssh_port: int | None = None
    end_time: datetime | None = None
    has_booted: bool = False
    is_up: bool = False
    is_warned: bool = False
    timer: Timer | None = None
    statuses: list[tuple[datetime, Status]] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.order.name}-{self.index + 1}"

    @property
    def bid(self) -> str | None:
        return self.order.fid if self.order.product == "Spot" else None

    @property
    def reservation(self) -> str | None:
        return self.order.fid if self.order.product == "Reservations" else None

    @property
    def is_gone(self) -> bool:
        return self.status in ("STATUS_TERMINATED", "STATUS_REPLACED")

    def set_status(self, status: Status, now: datetime) -> None:
        """Sets the status and cancels the timer. The same status again is no event."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if status != self.status or not self.statuses:
            self.status = status
            self.statuses.append((now, status))
        if status not in _UP:
            self._close_price(now)
            self.is_up = False
            self.ssh_port = None
        if status not in ("STATUS_PREEMPTING", "STATUS_RELOCATING"):
            self.end_time = None

    def set_price(self, cents: int, now: datetime) -> None:
        """Sets the price of one hour from now on."""
        if self.prices and self.prices[-1].end is None and self.prices[-1].cents == cents:
            return
        self._close_price(now)
        self.prices.append(Price(cents, now))

    def as_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "name": self.name,
            "project": self.order.project,
            "created_at": iso_time(self.created_at),
            "created_by": self.order.created_by,
            "instance_type": self.order.instance_type,
            "region": self.order.region,
            "bid": self.bid,
            "reservation": self.reservation,
            "ssh_destination": None if self.ssh_port is None else f"localhost:{self.ssh_port}",
            "private_ip": self.private_ip,
            "status": self.status,
        }

    def status_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "name": self.name,
            "status": self.status,
            "bid": self.bid,
            "reservation": self.reservation,
            "end_time": iso_time_or_none(self.end_time),
        }

    def _close_price(self, now: datetime) -> None:
        if self.prices and self.prices[-1].end is None:
            self.prices[-1].end = now
