"""Volumes, and the orders that they belong to."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.emulator_account import REGION, Account

VOLUMES = "/v2/volumes"


def volume_body(account: Account, **more: Any) -> dict[str, Any]:
    usual = {"name": "data", "region": REGION, "disk_interface": "Block", "size_gb": 100}
    return {"project": account.project, **usual, **more}


async def create(account: Account, **more: Any) -> str:
    return str((await account.post(VOLUMES, volume_body(account, **more)))["fid"])


async def volumes_by_id(account: Account, **query: Any) -> dict[str, dict[str, Any]]:
    return {one["fid"]: one for one in await account.get(VOLUMES, project=account.project, **query)}


async def test_a_new_volume_is_shown_with_the_field_names_of_responses(account: Account) -> None:
    one = await account.post(VOLUMES, volume_body(account))
    assert (one["capacity_gb"], one["interface"], one["deleted_at"]) == (100, "Block", None)
    assert (one["bids"], one["reservations"], one["attachments"]) == ([], [], {})


async def test_the_volumes_of_a_bid_are_attached_until_it_ends(account: Account) -> None:
    volume = await create(account)
    bid = await account.running(volumes=[volume])
    [instance] = await account.instances(bid)
    row = (await volumes_by_id(account))[volume]
    assert (row["bids"], row["attachments"]) == ([bid], {instance["fid"]: instance["name"]})
    assert bid in await account.refused(409, "DELETE", f"{VOLUMES}/{volume}")
    await account.delete(f"/v2/spot/bids/{bid}")
    row = (await volumes_by_id(account))[volume]
    assert (row["bids"], row["attachments"]) == ([], {})
    await account.delete(f"{VOLUMES}/{volume}")
    assert await volumes_by_id(account) == {}
    assert (await volumes_by_id(account, include_deleted="true"))[volume]["deleted_at"] is not None
    assert await account.refused(404, "DELETE", f"{VOLUMES}/{volume}")


async def test_volumes_of_a_bid_change_while_it_is_paused(account: Account) -> None:
    first, second = await create(account), await create(account, name="more")
    bid = await account.running(volumes=[first])
    path = f"/v2/spot/bids/{bid}"
    assert "paused" in await account.refused(400, "PATCH", path, json={"volumes": [first, second]})
    await account.patch(path, {"paused": True})
    changed = await account.patch(path, {"volumes": [second]})
    assert changed["launch_specification"]["volumes"] == [second]
    await account.patch(path, {"paused": False})
    rows = await volumes_by_id(account)
    assert (rows[first]["bids"], rows[second]["bids"]) == ([], [bid])
    events = (await account.get(f"{path}/history"))["events"]
    changes = [one["persistent_disk_change"] for one in events if one["persistent_disk_change"]]
    assert changes == [{"attached": second, "removed": None}, {"attached": None, "removed": first}]


async def test_the_current_list_of_volumes_may_be_sent_again(account: Account) -> None:
    volume = await create(account)
    bid = await account.running(volumes=[volume])
    await account.patch(f"/v2/spot/bids/{bid}", {"volumes": [volume]})


async def test_a_block_volume_serves_one_instance_and_a_file_share_any_number(account: Account) -> None:
    block, share = await create(account), await create(account, name="share", disk_interface="File")
    many = account.bid(volumes=[block], instance_quantity=2)
    assert "more than one" in await account.refused(400, "POST", "/v2/spot/bids", json=many)
    await account.place(volumes=[block])
    assert "in use" in await account.refused(409, "POST", "/v2/spot/bids", json=account.bid(volumes=[block]))
    await account.place(volumes=[share], instance_quantity=2)
    await account.place(volumes=[share])


async def test_a_volume_stays_in_its_region(account: Account) -> None:
    far = await create(account, region="us-central5-a")
    assert "us-central5-a" in await account.refused(400, "POST", "/v2/spot/bids", json=account.bid(volumes=[far]))
    assert list(await volumes_by_id(account, region="us-central5-a")) == [far]
    assert await volumes_by_id(account, region=REGION) == {}


async def test_a_volume_is_renamed(account: Account) -> None:
    volume = await create(account)
    assert (await account.patch(f"{VOLUMES}/{volume}", {"name": "other"}))["name"] == "other"


async def test_the_same_idempotency_key_creates_one_volume_and_shows_its_current_state(account: Account) -> None:
    first = await account.post(VOLUMES, volume_body(account), idempotency_key="k")
    bid = await account.place(volumes=[first["fid"]])
    again = await account.post(VOLUMES, volume_body(account), idempotency_key="k")
    assert (again["fid"], again["bids"]) == (first["fid"], [bid])
    assert len(await volumes_by_id(account)) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "Data"}, 422),
        ({"name": "1data"}, 422),
        ({"name": "data-"}, 422),
        ({"name": "d" * 65}, 422),
        ({"name": ""}, 422),
        ({"size_gb": 0}, 422),
        ({"size_gb": 1 << 40}, 422),
        ({"size_gb": 1 << 20}, 400),
        ({"disk_interface": "block"}, 422),
        ({"region": "mars-1"}, 400),
        ({"region": "us-central2-a", "disk_interface": "File"}, 400),
        ({"project": "proj_else"}, 404),
    ],
)
async def test_an_impossible_volume_is_refused(account: Account, change: dict[str, Any], status: int) -> None:
    assert await account.refused(status, "POST", VOLUMES, json=volume_body(account, **change))
    assert await volumes_by_id(account) == {}
