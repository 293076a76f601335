"""Submits over a network and an API that fail: what is placed, which error it is, and what is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from testbed.mithril_account import REGION, CloudLab
from testbed.waiting import until

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
)
from flow_core.providers.mithril.api_response import OutcomeUnknown

BIDS = "/v2/spot/bids"
NEW = {"volumes": [{"name": "made-for-it", "size_gb": 10}]}
LOST: list[dict[str, Any]] = [
    {"cut": "all"},
    {"cut": "within"},
    {"status": 500},
    {"status": 502, "body": "<html>"},
    {"status": 201, "body": "<html>"},
    {"status": 201, "body": "{}"},
]


@pytest.mark.parametrize("honours", [True, False], ids=["key honoured", "key ignored"])
@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_bid_whose_response_is_lost_is_found_and_not_placed_twice(
    lab: CloudLab, fault: dict[str, Any], honours: bool
) -> None:
    lab.cloud.control.change_settings(honours_idempotency_key=honours)
    lab.add_fault("POST", BIDS, when="after", **fault)
    task = await lab.submit(**NEW)
    assert [bid.fid for bid in lab.bids] == [task.task_id]
    assert lab.count("POST", BIDS) == 1
    assert lab.volumes == ["made-for-it"]
    assert task.config.volumes[0].name == "made-for-it"


@pytest.mark.parametrize("fault", [{"cut": "all"}, {"status": 503}], ids=str)
async def test_a_bid_that_was_not_placed_is_reported_and_leaves_no_volume(lab: CloudLab, fault: dict[str, Any]) -> None:
    lab.add_fault("POST", BIDS, when="before", **fault)
    with pytest.raises(Unreachable, match=r"the bid 'lost-\w+' was looked for afterwards, and isn't there"):
        await lab.submit(name="lost", **NEW)
    assert (lab.bids, lab.volumes, lab.count("POST", BIDS)) == ([], [], 1)


async def test_an_unknown_outcome_is_reported_and_nothing_is_deleted(lab: CloudLab) -> None:
    lab.add_fault("POST", BIDS, when="after", cut="all")
    lab.add_fault("GET", BIDS, after=1, status=503, times=None)
    with pytest.raises(
        OutcomeUnknown, match="nobody answered; whether it was done is not known, so look before you try"
    ):
        await lab.submit(**NEW)
    assert (len(lab.bids), lab.volumes, lab.count("POST", BIDS)) == (1, ["made-for-it"], 1)
    assert lab.count("DELETE") == 0


async def test_a_bid_of_another_user_with_the_same_name_is_not_mistaken_for_the_lost_one(lab: CloudLab) -> None:
    submit = {"name": "same", "unique_name": False}
    lab.add_fault("POST", BIDS, cut="all")
    lost = asyncio.create_task(lab.submit(**submit, command="ours"))
    await until(lambda: lab.count("POST", BIDS))
    other = await CloudLab(lab.cloud).submit(**submit, command="theirs")
    with pytest.raises(Unreachable):
        await lost
    assert [bid.fid for bid in lab.bids] == [other.task_id]


async def test_the_same_idempotency_key_submits_one_task(lab: CloudLab) -> None:
    lab.cloud.control.change_settings(honours_idempotency_key=False)
    first = await lab.submit(idempotency_key="nightly-7")
    again = await CloudLab(lab.cloud).submit(idempotency_key="nightly-7")
    assert (again.task_id, len(lab.bids)) == (first.task_id, 1)


REFUSALS: list[tuple[int, Any, type[FlowError], str]] = [
    (400, "Name already used: train", Conflict, "Name already used"),
    (400, "Quota exceeded for Spot", CapacityError, "request a larger quota"),
    (400, "Limit price below minimum price of $9.00", ConfigError, "raise the price limit"),
    (400, "Not enough capacity", CapacityError, "Not enough capacity"),
    (400, "no good", ProviderError, "no good"),
    (401, "who?", AuthError, "create a new one"),
    (402, "no credit", ProviderError, "billing"),
    (403, "not your project", AuthError, "not your project"),
    (404, "Project not found", NotFound, "Project not found"),
    (409, "in use", Conflict, "in use"),
    (422, [{"loc": ["body", "limit_price"], "msg": "must be money", "type": "x"}], ConfigError, "^limit_price: must"),
]


@pytest.mark.parametrize(("status", "detail", "error", "message"), REFUSALS, ids=lambda one: str(one)[:30])
async def test_a_refused_bid_says_why_and_leaves_nothing_behind(
    lab: CloudLab, status: int, detail: Any, error: type[FlowError], message: str
) -> None:
    lab.add_fault("POST", BIDS, status=status, detail=detail)
    with pytest.raises(error, match=message) as refused:
        await lab.submit(**NEW)
    assert (lab.bids, lab.volumes, lab.count("POST", BIDS)) == ([], [], 1)
    assert lab.cloud.api_key not in str(refused.value)
    assert str(refused.value).isprintable()


async def test_a_field_that_the_api_refuses_is_named(lab: CloudLab) -> None:
    lab.add_fault(
        "POST", BIDS, status=422, detail=[{"loc": ["body", "instance_quantity"], "msg": "too many", "type": "x"}]
    )
    with pytest.raises(ConfigError) as refused:
        await lab.submit()
    assert refused.value.field == "instance_quantity"


async def test_a_bid_is_placed_when_the_api_asked_for_a_pause(lab: CloudLab) -> None:
    lab.add_fault("POST", BIDS, status=429, times=2)
    await lab.submit()
    assert (len(lab.bids), lab.count("POST", BIDS)) == (1, 3)


async def test_a_cancelled_submit_deletes_the_volumes_that_it_created(lab: CloudLab) -> None:
    lab.add_fault("POST", BIDS, delay_s=30)
    waiting = asyncio.create_task(lab.submit(**NEW))
    await until(lambda: lab.count("POST", BIDS))
    assert lab.volumes == ["made-for-it"]
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert lab.volumes == []


async def test_a_volume_whose_response_is_lost_is_found_and_not_created_twice(lab: CloudLab) -> None:
    lab.cloud.control.change_settings(honours_idempotency_key=False)
    lab.add_fault("POST", "/v2/volumes", when="after", cut="all")
    volume = await lab.flow.create_volume(10, "data")
    assert (lab.volumes, volume.name, lab.count("POST", "/v2/volumes")) == (["data"], "data", 1)


async def test_a_volume_that_cannot_be_deleted_after_a_failed_submit_is_logged(
    lab: CloudLab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.add_fault("POST", BIDS, status=400)
    lab.add_fault("DELETE", "/v2/volumes/*", status=403, detail="no")
    with pytest.raises(ProviderError):
        await lab.submit(**NEW)
    assert lab.volumes == ["made-for-it"]
    assert "made-for-it was made for a task that was not placed, and stays" in caplog.text


async def test_a_name_belongs_to_one_living_task(lab: CloudLab) -> None:
    first = await lab.submit(name="train", unique_name=False)
    with pytest.raises(Conflict, match=f"that of task {first.task_id}; cancel that one"):
        await lab.submit(name="train", unique_name=False)
    await first.cancel()
    again = await lab.submit(name="train", unique_name=False)
    assert [bid.fid for bid in lab.bids] == [first.task_id, again.task_id]


async def test_more_than_the_quota_is_refused_with_what_to_do(lab: CloudLab) -> None:
    with pytest.raises(CapacityError, match="; end a task, or request a larger quota"):
        await lab.submit(num_instances=65)


async def test_a_bid_in_a_full_region_waits_for_capacity(lab: CloudLab) -> None:
    await lab.cloud.control.empty_region(REGION)
    task = await lab.submit()
    await lab.until(task, lambda one: one.status == "pending")
    assert task.record.message == "waits to be allocated"
    (offer,) = await lab.flow.find_instances({"instance_type": "h100-80gb.sxm.8x", "region": REGION})
    assert (offer.status, offer.available_quantity) == ("full", 0)
    await lab.cloud.control.set_capacity(lab.bids[0].instance_type, lab.bids[0].region, 8)
    await lab.until(task, lambda one: one.is_running)


async def test_an_outbid_task_shows_by_how_much_and_runs_again_with_a_higher_limit(lab: CloudLab) -> None:
    task = await lab.running(max_price_per_hour=40)
    bid = lab.bids[0]
    await lab.cloud.control.set_price(bid.instance_type, bid.region, 50_00)
    await lab.until(task, lambda one: one.record.message.startswith("outbid"))
    assert task.record.message == "outbid: the market price is $50.00/h, the limit $40.00/h per instance"
    await lab.flow.set_limit_price(task.task_id, 60)
    await lab.until(task, lambda one: one.is_running)
    assert task.record.provider_metadata["limit_price"] == "$60.00"


async def test_a_type_that_is_offered_only_in_another_size_is_named(lab: CloudLab) -> None:
    with pytest.warns(UserWarning, match=r"no instance fits; h100 is offered only as .*h100-80gb\.sxm\.8x"):
        assert await lab.flow.find_instances({"instance_type": "h100"}) == []
    assert {one.gpu_count for one in await lab.flow.find_instances({"instance_type": "8xh100"})} == {8}
