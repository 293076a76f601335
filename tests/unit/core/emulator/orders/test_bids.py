"""Bids and their instances from placement to end."""

from __future__ import annotations

import pytest
from testbed.emulator_account import H100, REGION, Account

BIDS = "/v2/spot/bids"


async def test_a_bid_is_allocated_and_its_instances_start_step_by_step(account: Account) -> None:
    bid = await account.place(instance_quantity=2)
    seen = []
    for _ in range(9):
        seen.append((await account.status(bid), *{one["status"] for one in await account.instances(bid)}))
        await account.emulator.control.advance(0.25)
    words = ("NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING")
    assert seen == [*[("Open",)] * 4, *[("Allocated", f"STATUS_{word}") for word in words]]
    found = await account.get(f"{BIDS}/{bid}")
    rows = await account.instances(bid)
    assert {one["fid"] for one in rows} == set(found["instances"])
    assert [one["name"] for one in rows] == ["train-1", "train-2"]
    assert len({one["private_ip"] for one in rows}) == 2
    assert {one["bid"] for one in rows} == {bid}


async def test_the_launch_specification_is_echoed_in_full(account: Account) -> None:
    script = "#!/bin/bash\necho hi\n"
    made = await account.post(BIDS, account.bid(launch={"startup_script": script}))
    launch = made["launch_specification"]
    assert (launch["startup_script"], launch["ssh_keys"], launch["volumes"]) == (script, [account.key], [])
    assert made["limit_price"] == "$64.00"


async def test_a_bid_below_the_price_waits_until_the_price_comes_down_to_it(account: Account) -> None:
    bid = await account.place(limit_price="$10.00")
    await account.emulator.control.advance(60)
    assert await account.status(bid) == "Open"
    await account.emulator.control.set_price(H100, REGION, 900)
    assert await account.status(bid) == "Allocated"


async def test_raising_the_limit_above_the_price_is_enough_to_be_allocated(account: Account) -> None:
    bid = await account.place(limit_price="$10.00")
    await account.emulator.control.advance(60)
    changed = await account.patch(f"{BIDS}/{bid}", {"limit_price": "$30.00"})
    assert (changed["limit_price"], changed["status"]) == ("$30.00", "Allocated")
    auction = [one for one in await account.get("/v2/spot/availability") if one["instance_type"] == H100]
    assert [one["lowest_allocated_price"] for one in auction if one["region"] == REGION] == ["$30.00"]


async def test_an_outbid_bid_is_warned_and_then_open_until_the_price_falls(account: Account) -> None:
    bid = await account.running()
    await account.emulator.control.set_price(H100, REGION, 7000)
    assert await account.status(bid) == "Preempting"
    [row] = await account.instances(bid)
    assert row["status"] == "STATUS_PREEMPTING"
    assert (await account.get(f"/v2/instances/{row['fid']}/status"))["end_time"] is not None
    await account.emulator.control.advance(60)
    assert await account.status(bid) == "Open"
    assert [one["status"] for one in await account.instances(bid)] == ["STATUS_PREEMPTED"]
    await account.emulator.control.set_price(H100, REGION, 2000)
    await account.emulator.control.advance(2)
    assert await account.status(bid) == "Allocated"
    assert [(one["fid"], one["status"]) for one in await account.instances(bid)] == [(row["fid"], "STATUS_RUNNING")]


async def test_a_price_that_falls_during_the_notice_cancels_the_preemption(account: Account) -> None:
    bid = await account.running()
    await account.emulator.control.set_price(H100, REGION, 7000)
    await account.emulator.control.advance(1)
    await account.emulator.control.set_price(H100, REGION, 2000)
    await account.emulator.control.advance(60)
    assert await account.status(bid) == "Allocated"
    assert [one["status"] for one in await account.instances(bid)] == ["STATUS_RUNNING"]


async def test_a_paused_bid_gives_its_capacity_back_and_takes_it_again(account: Account) -> None:
    async def free() -> int:
        rows = await account.get("/v2/spot/availability")
        return next(int(one["capacity"]) for one in rows if (one["instance_type"], one["region"]) == (H100, REGION))

    before = await free()
    bid = await account.running(instance_quantity=3)
    assert await free() == before - 3
    paused = await account.patch(f"{BIDS}/{bid}", {"paused": True})
    assert paused["status"] == "Paused"
    assert {one["status"] for one in await account.instances(bid)} == {"STATUS_PAUSED"}
    assert await free() == before
    assert (await account.patch(f"{BIDS}/{bid}", {"paused": False}))["status"] == "Open"
    await account.emulator.control.advance(5)
    assert {one["status"] for one in await account.instances(bid)} == {"STATUS_RUNNING"}
    assert await free() == before - 3


async def test_a_cancelled_bid_is_over_at_once_and_may_be_cancelled_again(account: Account) -> None:
    bid = await account.running()
    for _ in range(2):
        await account.delete(f"{BIDS}/{bid}")
    found = await account.get(f"{BIDS}/{bid}")
    assert found["status"] == "Terminated"
    assert found["deactivated_at"] is not None
    assert [one["status"] for one in await account.instances(bid)] == ["STATUS_TERMINATED"]
    assert await account.refused(400, "PATCH", f"{BIDS}/{bid}", json={"paused": True})


async def test_a_relocated_bid_says_so_only_in_its_detailed_status(account: Account) -> None:
    bid = await account.running(instance_quantity=2)
    addresses = {one["private_ip"] for one in await account.instances(bid)}
    await account.emulator.control.relocate(bid)
    assert (await account.get(f"{BIDS}/{bid}/status"))["status"] == "Relocating"
    assert await account.status(bid) == "Allocated"
    await account.emulator.control.advance(5)
    rows = await account.instances(bid)
    assert {one["status"] for one in rows} == {"STATUS_RUNNING"}
    assert len(addresses | {one["private_ip"] for one in rows}) == 4


async def test_the_history_lists_events_in_order(account: Account) -> None:
    bid = await account.running()
    await account.patch(f"{BIDS}/{bid}", {"limit_price": "$70.00"})
    await account.emulator.control.preempt(bid)
    await account.emulator.control.advance(10)
    await account.patch(f"{BIDS}/{bid}", {"paused": True})
    await account.patch(f"{BIDS}/{bid}", {"paused": False})
    await account.delete(f"{BIDS}/{bid}")
    events = (await account.get(f"{BIDS}/{bid}/history"))["events"]
    words = "Placed Allocated Limit-Price-Changed Preempted Allocated Paused Resumed Terminated"
    assert [one["event_type"].replace(" ", "-") for one in events] == words.split()
    assert events[2]["limit_price"] == "$70.00"


async def test_a_full_region_leaves_bids_open(account: Account) -> None:
    await account.emulator.control.empty_region(REGION)
    bid = await account.place()
    await account.emulator.control.advance(60)
    assert await account.status(bid) == "Open"
    await account.emulator.control.set_capacity(H100, REGION, 1)
    assert await account.status(bid) == "Allocated"


async def test_bids_are_found_by_name_status_and_type(account: Account) -> None:
    first, second = await account.place("first"), await account.place("second")
    await account.delete(f"{BIDS}/{second}")

    async def found(**query: str) -> list[str]:
        return [one["fid"] for one in (await account.get(BIDS, **query))["data"]]

    assert await found(name="first", project=account.project) == [first]
    assert await found(status="Terminated") == [second]
    assert await found(instance_type=H100, region="us-central5-a") == []
    assert set(await found(unheard_of="x")) == {first, second}
    assert await account.refused(404, "GET", BIDS, params={"project": "proj_else"})


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"limit_price": "$0.01"}, 400, "Limit price below minimum"),
        ({"limit_price": "cheap"}, 422, "amount of dollars"),
        ({"instance_quantity": 0}, 422, "greater than or equal to 1"),
        ({"instance_quantity": 1000}, 400, "Quota"),
        ({"region": "mars-1"}, 400, "not offered"),
        ({"project": "proj_else"}, 404, "Project not found"),
        ({"volumes": ["vol_none"]}, 404, "vol_none"),
        ({"launch": {"ssh_keys": ["sshkey_none"]}}, 404, "sshkey_none"),
        ({"launch": {"ssh_keys": []}}, 400, "No SSH keys"),
        ({"launch": {"startup_script": "echo hi"}}, 422, "#!/bin/bash"),
        ({"launch": {"startup_script": "#!/bin/bash\n" + "x" * 9_989}}, 422, "10000"),
        ({"launch": {"image_version": "imgver_none"}}, 404, "imgver_none"),
    ],
)
async def test_an_impossible_bid_is_refused(
    account: Account, change: dict[str, object], status: int, message: str
) -> None:
    assert message in str(await account.refused(status, "POST", BIDS, json=account.bid(**change)))
    assert (await account.get(BIDS))["data"] == []


async def test_a_required_key_must_be_among_those_of_a_launch(account: Account) -> None:
    made = await account.post("/v2/ssh-keys", {"project": account.project, "name": "theirs", "required": True})
    assert "required" in await account.refused(400, "POST", BIDS, json=account.bid())
    await account.place(launch={"ssh_keys": [account.key, made["fid"]]})


async def test_every_field_that_is_wrong_is_named_at_once(account: Account) -> None:
    detail = await account.refused(422, "POST", BIDS, json={"project": 5, "instance_quantity": "many"})
    assert {tuple(one["loc"]) for one in detail} >= {
        ("body", "project"),
        ("body", "instance_quantity"),
        ("body", "name"),
    }
