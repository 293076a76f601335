"""Requests and reports of reservations survive a round trip through JSON; anything else is refused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from testbed.tables import each

from flow_core.agent.capacity.availability import Opening
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.capacity.reservation_report import ReservationReport, ReservationRequest
from flow_core.models.reservation import ReservationStatus
from flow_core.providers.over_agent.reservation_conversion import OpeningQuery, to_reservation

RECORD = ReservationRecord(
    *("res_aaaaaaaaaa", "lab", "ada", "mine", "2xa100"),
    *(2, 1, ("gpu-0", "gpu-1"), 3600.0, 7200.0, 3600.0, True, 1800.0),
    begun=True,
)
REPORT = ReservationReport.of(RECORD)
BROKEN = ReservationReport("res_aaaaaaaaaa", "failed", "lab", "its record is broken")
REQUEST = ReservationRequest("mine", "2xa100", 2, 1, ("gpu-0", "gpu-1"), 3600.5, 7200.0, False)
OPENING = Opening(0.0, 60.5, 3)
ANYTHING = [True, -1, 0, 1e300, float("nan"), {"a": []}, [None], "\x1b", None]


def _sent(message: Any) -> Any:
    return json.loads(json.dumps(message._asdict()))


@each("message", [REPORT, BROKEN, REQUEST, REQUEST._replace(start=None), OPENING])
def test_it_survives_a_round_trip_through_json(message: Any) -> None:
    assert type(message).parse(_sent(message)) == message


@each("wrong", ANYTHING, ids=repr)
@each(
    ("message", "name"),
    [(message, name) for message in (REPORT, REQUEST, OPENING) for name in message._fields],
    ids=str,
)
def test_an_arbitrary_field_is_either_accepted_or_named_in_the_error(message: Any, name: str, wrong: Any) -> None:
    parsed = _parse(type(message), {**_sent(message), name: wrong})
    if isinstance(parsed, str):
        assert name.rpartition("_")[2] in parsed
    if isinstance(parsed, ReservationReport):
        to_reservation(parsed, "here")
    if isinstance(parsed, Opening):
        OpeningQuery.parse({"instance_type": "a100"}).list_slots([parsed])


@each("data", [None, [], "text", {}, {"reservation_id": "../x", "status": "active"}])
def test_anything_else_is_refused(data: Any) -> None:
    kinds: tuple[Any, ...] = (ReservationReport, ReservationRequest, Opening)
    for kind in kinds:
        with pytest.raises(ValueError, match=r"must be|its id"):
            kind.parse(data)


def test_a_reservation_has_the_facts_of_the_report() -> None:
    reservation = to_reservation(REPORT, "here")
    assert (reservation.context, reservation.reservation_id, reservation.status) == (
        "lab",
        "res_aaaaaaaaaa",
        ReservationStatus.ACTIVE,
    )
    assert (reservation.instance_type, reservation.quantity, reservation.region, reservation.auto_renew) == (
        "2xa100",
        1,
        "here",
        True,
    )
    assert isinstance(reservation.end_time_utc, datetime)
    assert (reservation.start_time_utc.timestamp(), reservation.end_time_utc.timestamp()) == (3600.0, 7200.0)
    assert reservation.provider_metadata == {"gpus": ("gpu-0", "gpu-1"), "owner": "ada", "created_at": 1800.0}
    assert to_reservation(BROKEN, "here").provider_metadata == {"message": "its record is broken"}


def _parse(kind: Any, data: Any) -> Any:
    try:
        return kind.parse(data)
    except ValueError as error:
        return str(error)
