"""What is asked for when GPUs are reserved, and what is told of a reservation. Standard library only."""

from __future__ import annotations

from typing import Any, NamedTuple

from flow_core.agent.capacity.holds import LONGEST_S, Hold
from flow_core.agent.ids import check_reservation_id
from flow_core.agent.record_fields import Fields

_STATUSES = frozenset({"scheduled", "active", "canceled", "expired", "pending", "ended", "failed"})
_GPUS_MAX = 1 << 16


class ReservationWish(NamedTuple):
    """`quantity` times `gpu_count` of the candidates, from `start` on (`None`: from now).

    With an id of its own it can be asked for again when an answer was lost.
    """

    name: str
    instance_type: str
    gpu_count: int
    quantity: int
    candidates: tuple[str, ...]
    start: float | None
    duration_s: float
    auto_renew: bool
    reservation_id: str | None = None

    @classmethod
    def parse(cls, data: Any) -> ReservationWish:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        duration_s = fields.moment("duration_s")
        if not 0 < duration_s <= LONGEST_S:
            raise ValueError("duration_s must be a time in seconds, above 0")
        return cls(
            name=fields.text("name"),
            instance_type=fields.text("instance_type"),
            gpu_count=fields.whole("gpu_count", least=1, most=_GPUS_MAX),
            quantity=fields.whole("quantity", least=1, most=_GPUS_MAX),
            candidates=fields.texts("candidates"),
            start=fields.optional_moment("start"),
            duration_s=duration_s,
            auto_renew=fields.flag("auto_renew"),
            reservation_id=None
            if data.get("reservation_id") is None
            else check_reservation_id(fields.text("reservation_id")),
        )


class ReservationReport(NamedTuple):
    """One reservation as it is now. Times are seconds since the epoch.

    Of one whose record can't be used, only the first two fields, the context of whoever asks and the message are known.
    """

    reservation_id: str
    status: str
    context: str
    message: str = ""
    owner: str = ""
    name: str = ""
    instance_type: str = ""
    quantity: int = 0
    gpus: tuple[str, ...] = ()
    start: float = 0.0
    end: float | None = None
    auto_renew: bool = False
    created_at: float = 0.0

    @classmethod
    def of(cls, hold: Hold) -> ReservationReport:
        return cls(
            reservation_id=hold.reservation_id,
            status=hold.over or ("active" if hold.begun else "scheduled"),
            context=hold.context,
            owner=hold.owner,
            name=hold.name,
            instance_type=hold.instance_type,
            quantity=hold.quantity,
            gpus=hold.gpus,
            start=hold.start,
            end=hold.end,
            auto_renew=hold.auto_renew,
            created_at=hold.created_at,
        )

    @classmethod
    def parse(cls, data: Any) -> ReservationReport:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        reservation_id, status = fields.text("reservation_id"), fields.text("status")
        if check_reservation_id(reservation_id) and status not in _STATUSES:
            raise ValueError("its status is none that a reservation can have")
        return cls(
            reservation_id=reservation_id,
            status=status,
            context=fields.text("context"),
            message=fields.text("message"),
            owner=fields.text("owner"),
            name=fields.text("name"),
            instance_type=fields.text("instance_type"),
            quantity=fields.whole("quantity"),
            gpus=fields.texts("gpus"),
            start=fields.moment("start"),
            end=fields.optional_moment("end"),
            auto_renew=fields.flag("auto_renew"),
            created_at=fields.moment("created_at"),
        )
