"""What is asked and told of reservations is the same after a way as JSON; anything else is refused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from flow_core.agent.capacity.availability import Opening
from flow_core.agent.capacity.holds import Hold
from flow_core.agent.capacity.reservation_report import ReservationReport, ReservationWish
from flow_core.models.reservation import ReservationStatus
from flow_core.providers.over_agent.reservation_records import OpeningQuery, reservation_of

HOLD = Hold(
    *("res_aaaaaaaaaa", "lab", "ada", "mine", "2xa100"),
    *(2, 1, ("gpu-0", "gpu-1"), 3600.0, 7200.0, 3600.0, True, 1800.0),
    begun=True,
)
REPORT = ReservationReport.of(HOLD)
BROKEN = ReservationReport("res_aaaaaaaaaa", "failed", "lab", "its record is broken")
WISH = ReservationWish("mine", "2xa100", 2, 1, ("gpu-0", "gpu-1"), 3600.5, 7200.0, False)
OPENING = Opening(0.0, 60.5, 3)
ANYTHING = [True, -1, 0, 1e300, float("nan"), {"a": []}, [None], "\x1b", None]


def _sent(told: Any) -> Any:
    return json.loads(json.dumps(told._asdict()))


@pytest.mark.parametrize("told", [REPORT, BROKEN, WISH, WISH._replace(start=None), OPENING])
def test_it_is_the_same_after_a_way_as_json(told: Any) -> None:
    assert type(told).parse(_sent(told)) == told


@pytest.mark.parametrize("wrong", ANYTHING, ids=repr)
@pytest.mark.parametrize(
    ("told", "name"), [(told, name) for told in (REPORT, WISH, OPENING) for name in told._fields], ids=str
)
def test_a_field_that_can_be_anything_is_either_taken_or_named(told: Any, name: str, wrong: Any) -> None:
    taken = _parsed(type(told), {**_sent(told), name: wrong})
    if isinstance(taken, str):
        assert name.rpartition("_")[2] in taken
    if isinstance(taken, ReservationReport):
        reservation_of(taken, "here")
    if isinstance(taken, Opening):
        OpeningQuery.parse({"instance_type": "a100"}).slots([taken])


@pytest.mark.parametrize("data", [None, [], "text", {}, {"reservation_id": "../x", "status": "active"}])
def test_what_is_none_is_refused(data: Any) -> None:
    kinds: tuple[Any, ...] = (ReservationReport, ReservationWish, Opening)
    for kind in kinds:
        with pytest.raises(ValueError, match=r"must be|its id"):
            kind.parse(data)


def test_a_reservation_says_what_the_report_says() -> None:
    made = reservation_of(REPORT, "here")
    assert (made.context, made.reservation_id, made.status) == ("lab", "res_aaaaaaaaaa", ReservationStatus.ACTIVE)
    assert (made.instance_type, made.quantity, made.region, made.auto_renew) == ("2xa100", 1, "here", True)
    assert isinstance(made.end_time_utc, datetime)
    assert (made.start_time_utc.timestamp(), made.end_time_utc.timestamp()) == (3600.0, 7200.0)
    assert made.provider_metadata == {"gpus": ("gpu-0", "gpu-1"), "owner": "ada", "created_at": 1800.0}
    assert reservation_of(BROKEN, "here").provider_metadata == {"message": "its record is broken"}


def _parsed(kind: Any, data: Any) -> Any:
    try:
        return kind.parse(data)
    except ValueError as error:
        return str(error)
