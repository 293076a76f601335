"""The request for a reservation and the report of one, as clients send and receive them."""

from __future__ import annotations

from typing import Any, NamedTuple

from flow_core.agent.capacity.reservation_records import LONGEST_S, ReservationRecord
from flow_core.agent.ids import check_reservation_id
from flow_core.agent.record_fields import Fields

_STATUSES = frozenset({"scheduled", "active", "canceled", "expired", "pending", "ended", "failed"})
_GPUS_MAX = 1 << 16


class ReservationRequest(NamedTuple):
    """A request for `quantity` times `gpu_count` of the candidates, from `start` on (`None`: from now).

    With a `reservation_id` the client can repeat it after a lost response.
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
    def parse(cls, data: Any) -> ReservationRequest:
        """Parses a request that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        duration_s = fields.moment("duration_s")
        if not 0 < duration_s <= LONGEST_S:
            raise ValueError("duration_s must be a time in seconds, above 0")
        return cls(
            name=fields.text("name"),
            instance_type=fields.text("instance_type"),
            gpu_count=fields.whole("gpu_count", minimum=1, maximum=_GPUS_MAX),
            quantity=fields.whole("quantity", minimum=1, maximum=_GPUS_MAX),
            candidates=fields.texts("candidates"),
            start=fields.optional_moment("start"),
            duration_s=duration_s,
            auto_renew=fields.flag("auto_renew"),
            reservation_id=None
            if data.get("reservation_id") is None
            else check_reservation_id(fields.text("reservation_id")),
        )


class ReservationReport(NamedTuple):
    """The current state of one reservation. Times are seconds since the epoch.

    For a reservation with an unusable record, only the id, the status, the context of the caller and the message are
    known.
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
    def of(cls, record: ReservationRecord) -> ReservationReport:
        return cls(
            reservation_id=record.reservation_id,
            status=record.over or ("active" if record.begun else "scheduled"),
            context=record.context,
            owner=record.owner,
            name=record.name,
            instance_type=record.instance_type,
            quantity=record.quantity,
            gpus=record.gpus,
            start=record.start,
            end=record.end,
            auto_renew=record.auto_renew,
            created_at=record.created_at,
        )

    @classmethod
    def parse(cls, data: Any) -> ReservationReport:
        """Parses a report that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        reservation_id, status = fields.text("reservation_id"), fields.text("status")
        if check_reservation_id(reservation_id) and status not in _STATUSES:
            raise ValueError("its status is unknown")
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
