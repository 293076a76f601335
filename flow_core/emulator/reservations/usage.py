"""Builds the response of the usage endpoint: costs, credits and events of a reservation."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from flow_core.emulator.clock import iso_time
from flow_core.emulator.orders.instances import InstanceRow
from flow_core.emulator.reservations.models import ReservationRow, hours
from flow_core.emulator.world import World

_AS_A_BID = {
    "Pending": "Open",
    "Active": "Allocated",
    "Paused": "Paused",
    "Canceled": "Terminated",
    "Ended": "Terminated",
}
_LEVEL_EVENTS = {"Active": "Started", "Paused": "Paused", "Terms Changed": "Extended"}


def usage_json(world: World, reservation: ReservationRow) -> dict[str, Any]:
    machines = [instance for instance in world.instances.values() if instance.order is reservation]
    return {
        "reservation": {
            "fid": reservation.fid,
            "order_name": reservation.name,
            "start_date": iso_time(reservation.start_time),
            "end_date": iso_time(reservation.end_time),
            "status": _AS_A_BID[reservation.status],
            "committed_cost_cents": _committed_cents(reservation),
        },
        "summary": _summary(world, reservation, machines),
        "grants": [grant.as_json() for grant in reservation.grants],
        "pricing_events": [event for instance in machines for event in _pricing_events(instance)],
        "reservation_events": [
            {
                "occurred_at": iso_time(event.at),
                "event_type": _LEVEL_EVENTS[event.kind],
                "reservation_name": reservation.name,
            }
            for event in reservation.events
            if event.kind in _LEVEL_EVENTS
        ],
    }


def _summary(world: World, reservation: ReservationRow, machines: list[InstanceRow]) -> dict[str, Any]:
    now, committed = world.now, _committed_cents(reservation)
    paused = (
        sum((min(now, end or now) - start for start, end in reservation.pauses), timedelta()) * reservation.quantity
    )
    flex = round(hours(paused) * reservation.grants[-1].terms.pause_cents)
    returned = sum(grant.return_credit_cents for grant in reservation.grants)
    reserved = sum(
        (_elapsed(grant.start, grant.end, now) * grant.quantity for grant in reservation.grants), timedelta()
    )
    active = sum((_running_time(instance, now) for instance in machines), timedelta())
    return {
        "committed_cost_cents": committed,
        "flex_use_credits_cents": flex,
        "early_termination_credits_cents": returned,
        "net_cost_cents": committed - flex - returned,
        "reserved_instance_hours": _duration(reserved),
        "active_instance_hours": _duration(active),
        "idle_instance_hours": _duration(max(timedelta(), reserved - active)),
        "as_of": iso_time(now),
    }


def _committed_cents(reservation: ReservationRow) -> int:
    return sum(grant.price_cents for grant in reservation.grants)


def _elapsed(start: datetime, end: datetime, now: datetime) -> timedelta:
    return max(timedelta(), min(end, now) - start)


def _running_time(instance: InstanceRow, now: datetime) -> timedelta:
    return sum(((price.end or now) - price.start for price in instance.prices), timedelta())


def _pricing_events(instance: InstanceRow) -> list[dict[str, Any]]:
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{instance.fid} {number}")),
            "occurred_at": iso_time(at),
            "instance_fid": instance.fid,
            "instance_name": instance.name,
            "instance_status": status,
        }
        for number, (at, status) in enumerate(instance.statuses)
    ]


def _duration(span: timedelta) -> str:
    """Returns an ISO 8601 duration in whole seconds."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    whole_hours, minutes = divmod(minutes, 60)
    return f"PT{whole_hours}H{minutes}M{seconds}S"
