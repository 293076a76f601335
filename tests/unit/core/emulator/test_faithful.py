"""What a faithful emulator must do, point by point (section 6 of the facts about the API)."""

from __future__ import annotations

import re

import pytest
from testbed.emulator_account import H100, REGION, Account

SSH_DESTINATION = re.compile(
    r"(?![0-9.]+(:|$))[A-Za-z0-9.-]+(:[0-9]{1,5})?"
)  # no user, and no address that looks private


async def test_1_unknown_parameters_and_headers_are_ignored_and_deletions_say_nothing(account: Account) -> None:
    await account.get("/v2/spot/availability", project=account.project, unheard_of="1")
    answer = await account.http.get("/v2/me", headers={"X-Unheard-Of": "1", "Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    bid = await account.place()
    gone = await account.http.delete(f"/v2/spot/bids/{bid}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-length" not in gone.headers


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v2/projects", list),
        ("/v2/me", dict),
        ("/v2/instance-types", list),
        ("/v2/spot/availability", list),
        (f"/v2/pricing/current?instance_type={H100}", dict),
        ("/v2/ssh-keys?project={project}", list),
        ("/v2/volumes?project={project}", list),
        ("/v2/spot/bids?limit=100", dict),
        ("/v2/instances?project={project}&limit=100", dict),
        ("/v2/reservation?project={project}&limit=100", dict),
        ("/v2/quotas?project={project}", list),
        ("/v2/pricing/history", dict),
    ],
)
async def test_2_every_reading_call_answers_in_its_shape(account: Account, path: str, shape: type) -> None:
    assert isinstance(await account.get(path.format(project=account.project)), shape)


@pytest.mark.parametrize("name", ["train", "bid_none", "a b", "flow-task-1a2b3c"])
async def test_2_a_name_given_as_an_id_is_not_found(account: Account, name: str) -> None:
    await account.place("train")
    assert await account.refused(404, "GET", f"/v2/spot/bids/{name}")
    rows = (await account.get("/v2/spot/bids", name=name, project=account.project))["data"]
    assert len(rows) == (name == "train")


async def test_3_the_server_makes_an_ssh_key_if_none_is_sent(account: Account) -> None:
    made = await account.post("/v2/ssh-keys", {"project": account.project, "name": "flow-auto-me-1234"})
    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["public_key"].startswith("ssh-rsa ")


async def test_3_an_idempotency_key_is_honoured_even_if_the_body_differs(account: Account) -> None:
    first = await account.post("/v2/spot/bids", account.bid(limit_price="$60.00"), idempotency_key="flow-1")
    again = await account.post("/v2/spot/bids", account.bid(limit_price="$61.00"), idempotency_key="flow-1")
    assert again == first


async def test_4_a_bid_gains_instances_and_loses_them_when_it_ends(account: Account) -> None:
    bid = await account.running(instance_quantity=2)
    found = await account.get(f"/v2/spot/bids/{bid}")
    rows = await account.instances(bid)
    assert (found["status"], set(found["instances"])) == ("Allocated", {row["fid"] for row in rows})
    for row in rows:
        assert (row["bid"], row["status"]) == (bid, "STATUS_RUNNING")
        assert re.fullmatch(r"train-\d+", row["name"])
        assert row["created_at"]
    await account.delete(f"/v2/spot/bids/{bid}")
    assert {row["status"] for row in await account.instances(bid)} == {"STATUS_TERMINATED"}


async def test_5_a_patch_returns_the_whole_bid(account: Account) -> None:
    bid = await account.running()
    for change in ({"limit_price": "$70.00"}, {"paused": True}, {"volumes": []}, {"paused": False}):
        changed = await account.patch(f"/v2/spot/bids/{bid}", change)
        assert (changed["fid"], changed["limit_price"]) == (bid, "$70.00")
        assert changed["status"]


async def test_6_volumes_have_all_fields_and_follow_the_launch_specifications(account: Account) -> None:
    body = {"project": account.project, "name": "v", "region": REGION, "disk_interface": "File", "size_gb": 5}
    made = await account.post("/v2/volumes", body)
    assert {"capacity_gb", "interface", "deleted_at", "bids", "reservations", "attachments"} <= made.keys()
    bid = await account.place(volumes=[made["fid"]])
    [row] = await account.get("/v2/volumes", project=account.project)
    assert row["bids"] == [bid]


async def test_7_undocumented_calls_of_clients_are_answered(account: Account) -> None:
    me = await account.get("/v2/me")
    regions = {one["name"]: one for one in await account.get("/marketplace/v1/regions")}
    assert {one["region"] for one in await account.get("/v2/spot/availability")} <= regions.keys()
    assert regions[REGION]["fileshare_storage_enabled"] is True
    assert await account.get("/v2/cpu/instance-types") == []
    assert await account.get("/v2/cpu/regions") == []
    for name in (me["id"], me["fid"], me["fid"].removeprefix("user_")):
        assert (await account.get(f"/v2/users/{name}"))["email"] == me["email"]
        assert me["fid"] in [one["fid"] for one in await account.get(f"/users/{name}/teammates")]
    assert await account.refused(404, "GET", "/v2/users/nobody")
    assert await account.get(f"/v2/organizations/{me['organization_id']}/quotas")
    assert isinstance(await account.get("/v2/api-keys"), list)
    [instance] = await account.instances(await account.running())
    answer = await account.http.post(f"/v2/instances/{instance['fid']}/restart")
    assert answer.status_code == 202
    await account.emulator.control.advance(2)
    assert (await account.get(f"/v2/instances/{instance['fid']}/status"))["status"] == "STATUS_RUNNING"


async def test_9_every_row_of_a_listing_can_be_read(account: Account) -> None:
    for name in ("one", "two"):
        await account.running(name)
    types = {one["fid"]: one for one in await account.get("/v2/instance-types")}
    for one in types.values():
        assert re.fullmatch(r"it_[A-Za-z0-9]+", one["fid"])
        assert one["num_gpus"] > 0
        assert one["gpu_type"]
    for row in (await account.get("/v2/instances", project=account.project))["data"]:
        assert row["instance_type"] in types
        assert row["ssh_destination"] is None or SSH_DESTINATION.fullmatch(row["ssh_destination"])
