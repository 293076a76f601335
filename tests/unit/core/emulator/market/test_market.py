"""Instance types, prices and their history, histories of instances, scripts and clusters."""

from __future__ import annotations

from testbed.emulator_account import H100, REGION, Account


async def test_every_offer_has_a_known_type(account: Account) -> None:
    types = {one["fid"] for one in await account.get("/v2/instance-types")}
    assert {one["instance_type"] for one in await account.get("/v2/spot/availability")} <= types
    assert types >= {one["fid"] for one in await account.get("/v2/reservation/instance-types")}


async def test_the_current_price_is_that_of_the_auction_and_empty_where_there_is_none(account: Account) -> None:
    await account.running(limit_price="$33.00")
    auctions = await account.get("/v2/spot/availability")
    [auction] = [one for one in auctions if (one["instance_type"], one["region"]) == (H100, REGION)]
    price = await account.get("/v2/pricing/current", instance_type=H100, region=REGION)
    assert f"${price['spot_price_cents'] / 100:.2f}" == auction["last_instance_price"]
    assert price["lowest_allocated_bid_cents"] == 3300
    assert price["available_capacity"] == auction["capacity"] == price["total_capacity"] - 1
    nowhere = await account.get("/v2/pricing/current", instance_type=H100, region="me-central1-a")
    assert set(nowhere.values()) == {None}
    many = await account.get("/v2/pricing/current", instance_type=H100, region=REGION, instance_quantity=200)
    assert many["dynamic_win_price_cents"] == 3301
    assert await account.refused(404, "GET", "/v2/pricing/current", params={"instance_type": "it_none"})


async def test_past_prices_are_sampled_from_the_first_to_the_last(account: Account) -> None:
    await account.emulator.control.advance(60)
    await account.emulator.control.set_price(H100, REGION, 1234)
    query = {"instance_types": f"it_RrgkIZz6c9BZu5gi,{H100}", "region": REGION}
    whole = await account.get("/v2/pricing/history", **query, num_samples=-1)
    assert whole["complete"] is True
    assert {one["instance_type"] for one in whole["series"]} == set(query["instance_types"].split(","))
    few = await account.get("/v2/pricing/history", **query, num_samples=5)
    assert few["complete"] is False
    for all_of_it, some in zip(whole["series"], few["series"], strict=True):
        assert len(some["spot_prices"]) == len(some["timestamps"]) == len(some["reserved_prices"]) == 5
        assert [some["timestamps"][0], some["timestamps"][-1]] == [
            all_of_it["timestamps"][0],
            all_of_it["timestamps"][-1],
        ]
        assert some["timestamps"] == sorted(some["timestamps"])
    assert next(one["spot_prices"][-1] for one in few["series"] if one["instance_type"] == H100) == "$12.34"


async def test_past_prices_of_a_time_begin_with_what_held_at_its_start(account: Account) -> None:
    now = account.emulator.world.now
    for price in (1500, 1600, 1700):
        await account.emulator.control.advance(100)
        await account.emulator.control.set_price(H100, REGION, price)
    span = {"start_time": (now.isoformat()), "instance_types": H100, "region": REGION}
    [series] = (await account.get("/v2/pricing/history", **span))["series"]
    assert series["spot_prices"][1:] == ["$15.00", "$16.00", "$17.00"]
    [empty] = (await account.get("/v2/pricing/history", **span | {"end_time": "2000-01-01T00:00:00Z"}))["series"]
    assert empty["spot_prices"] == []


async def test_prices_move_by_themselves_as_often_as_the_settings_say(account: Account) -> None:
    before = {one["fid"]: one["last_instance_price"] for one in await account.get("/v2/spot/availability")}
    await account.emulator.control.advance(1000)
    after = {one["fid"]: one["last_instance_price"] for one in await account.get("/v2/spot/availability")}
    assert before == after
    account.emulator.control.change_settings(price_move_s=10)
    await account.emulator.control.advance(25)
    assert len(account.emulator.world.auctions[H100, REGION].prices) == 7 * 24 * 4 + 1 + 2


async def test_instances_tell_what_they_were_and_what_they_cost(account: Account) -> None:
    bid = await account.running()
    await account.emulator.control.set_price(H100, REGION, 2000)
    await account.emulator.control.advance(5)
    await account.delete(f"/v2/spot/bids/{bid}")
    query = {"project": account.project, "bid_fid": bid}
    [row] = (await account.get("/v2/instances/status/history", **query))["instances"]
    words = ("NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING", "TERMINATED")
    assert [one["status"] for one in row["events"]] == [f"STATUS_{word}" for word in words]
    [row] = (await account.get("/v2/instances/pricing/history", **query))["instances"]
    assert [one["price_cents"] for one in row["events"]] == [1760, 2000]
    assert row["events"][0]["end_time"] == row["events"][1]["start_time"]
    assert row["events"][1]["end_time"] is not None


async def test_histories_come_in_pages(account: Account) -> None:
    await account.running(instance_quantity=3)
    query = {"project": account.project, "limit": 2}
    first = await account.get("/v2/instances/status/history", **query)
    rest = await account.get("/v2/instances/status/history", **query, next_cursor=first["next_cursor"])
    assert (len(first["instances"]), len(rest["instances"]), rest["next_cursor"]) == (2, 1, None)


async def test_a_lifecycle_script_is_kept_changed_and_forgotten(account: Account) -> None:
    path = "/v2/lifecycle-scripts"
    made = await account.post(path, {"project": account.project, "name": "setup", "content": "echo é"})
    assert await account.get(made["content_url"]) == "echo é"
    await account.emulator.control.advance(1)
    changed = await account.patch(f"{path}/{made['fid']}", {"description": "what for"})
    assert (changed["name"], changed["description"]) == ("setup", "what for")
    assert changed["last_modified_at"] > changed["created_at"]
    rows = await account.get(path, project=account.project, sort_by="last_modified_at", sort_dir="asc")
    assert [one["fid"] for one in rows["data"]] == [made["fid"]]
    await account.delete(f"{path}/{made['fid']}")
    assert await account.refused(404, "GET", f"{path}/{made['fid']}/content")


async def test_a_kubernetes_cluster_is_a_row(account: Account) -> None:
    path = "/v2/kubernetes/clusters"
    body = {"project": account.project, "name": "k", "region": REGION, "instance_type": H100}
    made = await account.post(path, {**body, "ssh_keys": [account.key]})
    assert [one["fid"] for one in await account.get(path, project=account.project)] == [made["fid"]]
    await account.delete(f"{path}/{made['fid']}")
    assert (await account.get(f"{path}/{made['fid']}"))["status"] == "Terminated"
