"""Parses the API's rows of reservations, and formats times for the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flow_core.logs.escape import escape_controls
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_ids, parse_time
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.money import parse_usd

RESERVATIONS = "/v2/reservation"
_STATUS = {
    "pending": ReservationStatus.SCHEDULED,
    "scheduled": ReservationStatus.SCHEDULED,
    "active": ReservationStatus.ACTIVE,
    "paused": ReservationStatus.PAUSED,
    "canceled": ReservationStatus.CANCELED,
    "cancelled": ReservationStatus.CANCELED,
    "ended": ReservationStatus.ENDED,
    "expired": ReservationStatus.EXPIRED,
    "failed": ReservationStatus.FAILED,
}


def parse_reservation(context: str, row: dict[str, Any], types: Mapping[str, InstanceType]) -> Reservation:
    """Parses a row. Raises ProviderError. An unknown status means that a change is in progress."""
    type_id = escape_controls(response_fields.read_text(row, "instance_type"))
    return Reservation(
        context=context,
        reservation_id=response_fields.read_id(row),
        status=_STATUS.get(response_fields.read_text(row, "status").lower(), ReservationStatus.PENDING),
        instance_type=types[type_id].name if type_id in types else type_id,
        quantity=response_fields.read_number(row, "instance_quantity") or 1,
        start_time_utc=parse_time(row.get("start_time")) or datetime.fromtimestamp(0, UTC),
        end_time_utc=parse_time(row.get("end_time")),
        name=response_fields.read_label(row, "name"),
        region=response_fields.read_word(row, "region"),
        price_total_usd=parse_usd(row.get("total_price")),
        instances=parse_ids(row.get("instances")),
        provider_metadata={
            "status": row.get("status"),
            "unit_price": row.get("unit_price"),
            "instances": list(parse_ids(row.get("instances"))),
        },
    )


def format_time(when: datetime) -> str:
    """Formats a time for the API."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
