"""Faults on demand: what a client receives, and whether the request is carried out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from testbed.emulator_account import H100, REGION, Account, injected_fault

BIDS = "/v2/spot/bids"


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429, 500, 502, 503])
async def test_a_fault_answers_with_its_status_as_often_as_it_says(account: Account, status: int) -> None:
    account.emulator.faults.add(injected_fault(method="GET", path="/v2/spot/*", status=status, times=2))
    got = [(await account.http.get(BIDS)).status_code for _ in range(3)]
    assert got == [status, status, 200]


async def test_a_busy_server_sends_retry_after(account: Account) -> None:
    account.emulator.faults.add(
        injected_fault(status=429, headers={"Retry-After": "7", "x-injected": "yes"}, detail="Slow")
    )
    answer = await account.http.get(BIDS)
    assert (answer.headers["retry-after"], answer.json()) == ("7", {"detail": "Slow"})


async def test_a_body_may_come_byte_by_byte(account: Account) -> None:
    account.emulator.faults.add(injected_fault(drip_s=0.001, delay_s=0.001))
    assert (await account.http.get("/v2/projects")).json()[0]["fid"] == account.project


async def test_a_clock_that_is_wrong_is_wrong_everywhere(account: Account) -> None:
    account.emulator.control.skew(3600)
    answer = await account.http.post(BIDS, json=account.bid())
    for moment in (parsedate_to_datetime(answer.headers["date"]), datetime.fromisoformat(answer.json()["created_at"])):
        assert moment - datetime.now(UTC) > timedelta(minutes=50)


@pytest.mark.parametrize("days", [400, -400, 40_000])
async def test_a_clock_that_is_wrong_by_years_locks_nobody_out(account: Account, days: int) -> None:
    account.emulator.control.skew(days * 86400)
    assert (await account.http.get("/v2/me")).status_code == 200


async def test_everything_can_be_done_over_http(account: Account) -> None:
    rule = {"method": "GET", "path": BIDS, "status": 503, "times": None, "headers": {"x-injected": "yes"}}
    assert (await account.post("/_emulator/faults", rule))[0]["status"] == 503
    assert [(await account.http.get(BIDS)).status_code for _ in range(3)] == [503] * 3
    await account.delete("/_emulator/faults")
    bid = await account.place()
    settings = await account.patch("/_emulator/settings", {"seconds_to_allocate": 5, "preempt_notice_s": 1})
    assert settings["seconds_to_allocate"] == 5
    await account.patch("/_emulator/clock", {"advance_s": 5})
    assert await account.status(bid) == "Allocated"
    await account.post_nothing(f"/_emulator/bids/{bid}/relocate")
    await account.patch("/_emulator/clock", {"advance_s": 5})
    await account.post_nothing(f"/_emulator/bids/{bid}/preempt")
    assert await account.status(bid) == "Preempting"
    await account.patch("/_emulator/market", {"region": REGION, "instance_type": H100, "price_cents": 9000})
    await account.patch("/_emulator/clock", {"advance_s": 60, "skew_s": -60})
    assert await account.status(bid) == "Open"
    await account.patch("/_emulator/market", {"region": REGION, "capacity": 0})
    assert {one["capacity"] for one in await account.get("/v2/spot/availability") if one["region"] == REGION} == {0}
    assert await account.refused(404, "PATCH", "/_emulator/market", json={"region": "mars-1", "capacity": 0})
    [row] = await account.instances(bid)
    await account.patch(f"/_emulator/instances/{row['fid']}", {"status": "STATUS_ERROR"})
    assert [one["status"] for one in await account.instances(bid)] == ["STATUS_ERROR"]


@pytest.mark.parametrize("rule", [{"statsu": 500}, {"status": 20}, {"times": 0}, {"delay_s": -1}])
async def test_an_invalid_fault_is_refused(account: Account, rule: dict[str, object]) -> None:
    assert await account.refused(422, "POST", "/_emulator/faults", json=rule)


async def test_the_control_endpoint_needs_the_key_too(account: Account) -> None:
    headers = {"Authorization": "Bearer fkey_wrong"}
    assert (await account.http.get("/_emulator/faults", headers=headers)).status_code == 401


async def test_requests_are_recorded(account: Account) -> None:
    account.emulator.calls.clear()
    await account.get(BIDS, limit=5)
    assert [(one.method, one.path, one.query, one.status) for one in account.emulator.calls] == [
        ("GET", BIDS, {"limit": ["5"]}, 200)
    ]


async def test_a_fault_may_answer_with_bytes_that_are_no_text(account: Account) -> None:
    account.emulator.faults.add(injected_fault(body=b"\xff\xfe"))
    assert (await account.http.get("/v2/me")).content == b"\xff\xfe"


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "5"}, {"transfer-encoding": "chunked"}, {"a b": "c"}, {"x": "a\r\nb: c"}, {"x": "é"}]
)
async def test_a_fault_cannot_break_the_framing_of_http(account: Account, headers: dict[str, str]) -> None:
    assert await account.refused(422, "POST", "/_emulator/faults", json={"headers": headers})


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_none(account: Account, status: int) -> None:
    account.emulator.faults.add(injected_fault(status=status))
    assert (await account.http.get("/v2/me")).content == b""
    assert (await account.http.get("/v2/me")).status_code == 200
