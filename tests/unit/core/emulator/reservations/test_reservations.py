"""Reservations from the quote to the refund."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from testbed.emulator_account import H100, REGION, Account

RESERVATION = "/v2/reservation"
HOUR = timedelta(hours=1)


def at(account: Account, hours: float) -> str:
    return (account.emulator.world.now + hours * HOUR).isoformat()


def reservation_body(account: Account, start: float = 0, end: float = 6, **more: Any) -> dict[str, Any]:
    body = account.bid("reserved", instance_quantity=2, **more)
    del body["limit_price"]
    return {**body, "start_time": at(account, start), "end_time": at(account, end)}


async def reserve(account: Account, start: float = 0, end: float = 6, **more: Any) -> str:
    return str((await account.post(RESERVATION, reservation_body(account, start, end, **more)))["fid"])


async def active(account: Account, **more: Any) -> tuple[str, list[str]]:
    """One whose instances run, and these."""
    fid = await reserve(account, **more)
    await account.emulator.control.advance(2)
    found = await account.get(f"{RESERVATION}/{fid}")
    assert found["status"] == "Active"
    return fid, found["instances"]


def where(account: Account) -> dict[str, str]:
    return {"project": account.project, "instance_type": H100, "region": REGION}


async def statuses(account: Account, fid: str) -> set[str]:
    rows = await account.get("/v2/instances", project=account.project, reservation_fid_in=fid)
    return {one["status"] for one in rows["data"]}


async def test_a_quote_is_what_the_reservation_then_costs(account: Account) -> None:
    span = {"start_time": at(account, 0), "end_time": at(account, 6)}
    offers = (await account.get(f"{RESERVATION}/quote", **where(account), **span, quantity=2))["offers"]
    standard = next(one for one in offers if one["key"] == "standard")
    one = await account.post(RESERVATION, reservation_body(account))
    assert (one["unit_price"], one["total_price"]) == (standard["unit_price"], standard["total_price"])
    unit, total = (float(standard[name].removeprefix("$")) for name in ("unit_price", "total_price"))
    assert total == pytest.approx(unit * 6 * 2)


async def test_it_begins_at_its_time_and_ends_at_its_time(account: Account) -> None:
    fid = await reserve(account, 2, 8)
    seen = []
    for _ in range(4):
        seen.append((await account.get(f"{RESERVATION}/{fid}"))["status"])
        await account.emulator.control.advance(3 * 3600)
    assert seen == ["Pending", "Active", "Active", "Ended"]
    assert await statuses(account, fid) == {"STATUS_TERMINATED"}
    events = (await account.get(f"{RESERVATION}/{fid}/history"))["events"]
    assert [one["event_type"] for one in events] == ["Placed", "Terms Set", "Active", "Ended"]


async def test_its_instances_are_shown_as_a_reservations(account: Account) -> None:
    fid, instances = await active(account)
    rows = (await account.get("/v2/instances", project=account.project, order_type_in="Reservation"))["data"]
    assert {one["fid"] for one in rows} == set(instances)
    assert {(one["bid"], one["reservation"]) for one in rows} == {(None, fid)}


async def test_paused_and_resumed(account: Account) -> None:
    fid, _ = await active(account)
    assert (await account.patch(f"{RESERVATION}/{fid}", {"paused": True}))["status"] == "Paused"
    assert await statuses(account, fid) == {"STATUS_PAUSED"}
    await account.emulator.control.advance(3600)
    assert (await account.patch(f"{RESERVATION}/{fid}", {"paused": False}))["status"] == "Active"
    await account.emulator.control.advance(5)
    assert await statuses(account, fid) == {"STATUS_RUNNING"}
    usage = await account.get(f"{RESERVATION}/{fid}/usage")
    summary = usage["summary"]
    assert summary["flex_use_credits_cents"] > 0
    assert summary["net_cost_cents"] == summary["committed_cost_cents"] - summary["flex_use_credits_cents"]
    assert [one["event_type"] for one in usage["reservation_events"]] == ["Started", "Paused"]


async def test_instances_given_back_are_ended_and_credited(account: Account) -> None:
    fid, instances = await active(account)
    path = f"{RESERVATION}/{fid}/terminate-instances"
    body = {"instances": instances[:1], "reduce_capacity": True}
    assert (await account.post(path, body))["terminated_instances"] == instances[:1]
    found = await account.get(f"{RESERVATION}/{fid}")
    assert (found["status"], found["instance_quantity"], found["instances"]) == ("Active", 1, instances[1:])
    usage = await account.get(f"{RESERVATION}/{fid}/usage")
    assert usage["summary"]["early_termination_credits_cents"] > 0
    assert await account.refused(404, "POST", path, json=body)
    await account.post(path, {"instances": instances[1:], "reduce_capacity": True})
    assert (await account.get(f"{RESERVATION}/{fid}"))["status"] == "Canceled"
    assert await account.refused(400, "POST", path, json=body)
    assert await account.refused(422, "POST", path, json={"instances": [], "reduce_capacity": True})
    assert await account.refused(422, "POST", path, json={"instances": instances, "reduce_capacity": False})


async def test_extended_by_whole_hours_while_there_is_room(account: Account) -> None:
    fid, _ = await active(account)
    end = datetime.fromisoformat((await account.get(f"{RESERVATION}/{fid}"))["end_time"])
    room = await account.get(f"{RESERVATION}/{fid}/extension-availability")
    assert room["available"] is True
    path = f"{RESERVATION}/{fid}/extend"
    longer = await account.post(path, {"end_time": (end + 4 * HOUR).isoformat()})
    assert datetime.fromisoformat(longer["end_time"]) == end + 4 * HOUR
    await account.emulator.control.advance(7 * 3600)
    assert (await account.get(f"{RESERVATION}/{fid}"))["status"] == "Active"
    room = await account.get(f"{RESERVATION}/{fid}/extension-availability")
    for wrong in (end, end + 4.5 * HOUR, datetime.fromisoformat(room["latest_extension_time"]) + HOUR):
        assert await account.refused(400, "POST", path, json={"end_time": wrong.isoformat()})


async def test_availability_in_its_three_modes(account: Account) -> None:
    whole = account.emulator.world.auctions[H100, REGION].offering.capacity
    await account.post(RESERVATION, {**reservation_body(account, 10, 20), "instance_quantity": whole})
    path, place = f"{RESERVATION}/availability", where(account)
    times = {"earliest_start_time": at(account, 1), "latest_end_time": at(account, 30)}
    slots = await account.get(path, **place, mode="slots", **times)
    assert [(one["quantity"]) for one in slots] == [whole, whole]
    assert [slots[0]["end_time"], slots[1]["start_time"]] == [
        datetime.fromisoformat(at(account, hours)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        for hours in (10, 20)
    ]
    latest = await account.get(path, **place, start_time=at(account, 1), quantity=1)
    assert latest == {"latest_end_time": slots[0]["end_time"], "available": True}
    for hours, free in ((9, True), (11, False)):
        span = {"start_time": at(account, 1), "end_time": at(account, hours)}
        assert await account.get(path, **place, mode="check", **span, quantity=1) == {"available": free}
    assert await account.refused(422, "GET", path, params={**place, "mode": "check"})


async def test_listed_in_pages_by_status(account: Account) -> None:
    fids = []
    for number in range(3):
        fids.append(await reserve(account, 1 + number, 5 + number))
        await account.emulator.control.advance(0.01)
    first = await account.get(RESERVATION, project=account.project, status="Pending", limit=2)
    rest = await account.get(RESERVATION, project=account.project, limit=2, next_cursor=first["next_cursor"])
    assert [one["fid"] for one in first["data"] + rest["data"]] == fids[::-1]
    assert (await account.get(RESERVATION, project=account.project, status="Paused"))["data"] == []


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"end": 2}, 400, "3 hours"),
        ({"end": 15 * 24}, 400, "14 days"),
        ({"end": 5.5}, 400, "one hour"),
        ({"start": -1, "end": 5}, 400, "past"),
        ({"price_specification": {"max_unit_price": 1}}, 400, "price"),
        ({"price_specification": {"offer_key": "odd"}}, 400, "odd"),
        ({"instance_quantity": 20}, 400, "capacity"),
        ({"instance_quantity": 40}, 400, "Quota"),
        ({"instance_quantity": 0}, 422, "greater"),
    ],
)
async def test_an_impossible_reservation_is_refused(
    account: Account, change: dict[str, Any], status: int, message: str
) -> None:
    span = (change.pop("start", 0), change.pop("end", 6))
    body = {**reservation_body(account, *span), **change}
    assert message in str(await account.refused(status, "POST", RESERVATION, json=body))


async def test_single_instances_are_paused_and_started_and_get_new_disks(account: Account) -> None:
    _, [one, other] = await active(account)
    path = f"/v2/instances/{one}/refresh-boot-disk"
    [detail] = await account.refused(422, "POST", path)
    assert detail["reason"] == "INSTANCE_RUNNING"
    answer = await account.patch("/v2/instances", {"instances": [one], "status": "STATUS_PAUSED"})
    assert answer == {"instances": {one: "STATUS_STOPPING"}}
    assert await account.refused(
        409, "PATCH", "/v2/instances", json={"instances": [one, other], "status": "STATUS_RUNNING"}
    )
    await account.emulator.control.advance(1)
    assert (await account.get(f"/v2/instances/{one}/status"))["status"] == "STATUS_PAUSED"
    assert (await account.post(path, {}))["status"] == "REFRESHED"
    [detail] = await account.refused(422, "POST", path, json={"image_version": "imgver_none"})
    assert detail["reason"] == "INVALID_IMAGE_VERSION"
    await account.patch("/v2/instances", {"instances": [one, other], "status": "STATUS_RUNNING"})
    await account.emulator.control.advance(2)
    assert (await account.get(f"/v2/instances/{one}/status"))["status"] == "STATUS_RUNNING"


async def test_instances_of_a_bid_cannot_be_changed_one_by_one(account: Account) -> None:
    [row] = await account.instances(await account.running())
    body = {"instances": [row["fid"]], "status": "STATUS_PAUSED"}
    assert await account.refused(501, "PATCH", "/v2/instances", json=body)
    assert await account.refused(501, "POST", f"/v2/instances/{row['fid']}/refresh-boot-disk")


async def test_a_slot_from_the_clients_present_on_has_the_requested_length(account: Account) -> None:
    start, end = at(account, -1 / 60), at(account, 6 - 1 / 60)  # the client's clock, or its request, is a minute behind
    times = {"mode": "slots", "earliest_start_time": start, "latest_end_time": end}
    (slot, *_) = await account.get(f"{RESERVATION}/availability", **where(account), **times)
    assert (datetime.fromisoformat(slot["start_time"]), datetime.fromisoformat(slot["end_time"])) == (
        datetime.fromisoformat(start),
        datetime.fromisoformat(end),
    )
    assert await account.post(RESERVATION, {**reservation_body(account), "start_time": start, "end_time": end})


async def test_nothing_is_free_in_a_time_that_lies_in_the_past(account: Account) -> None:
    times = {"mode": "slots", "earliest_start_time": at(account, -9), "latest_end_time": at(account, -1)}
    assert await account.get(f"{RESERVATION}/availability", **where(account), **times) == []
