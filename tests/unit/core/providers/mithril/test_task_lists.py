"""Lists of tasks: how many requests they cost, and in which order they come."""

from __future__ import annotations

from testbed.mithril_account import BIDS, CloudLab


async def test_many_tasks_are_listed_with_a_page_of_each_kind_and_no_request_of_their_own(lab: CloudLab) -> None:
    lab.cloud.world.quotas["Spot"] = 1000
    for auction in lab.cloud.world.auctions.values():
        auction.capacity = 1000
    task = await lab.submit()
    placed = [task.task_id, *await lab.place_copies(104)]
    await lab.until(await lab.flow.get_task(placed[-1]), lambda one: one.record.billed_usd_per_hour is not None)
    await lab.flow.list_tasks(limit=1000)
    lab.cloud.calls.clear()
    found = await lab.flow.list_tasks(limit=1000)
    assert [one.task_id for one in found] == placed[::-1]
    assert all(one.record.command == "true" for one in found)
    paths = [call.path for call in lab.cloud.calls]
    listings = {BIDS: 3, "/v2/instances": 3, "/v2/spot/availability": 1}  # two pages of bids, and those that ended
    assert all(paths.count(path) <= listings.get(path, 0) for path in paths), paths
    lab.cloud.calls.clear()
    assert len(await lab.flow.list_tasks(limit=3)) == 3
    assert lab.count("GET", BIDS) == 1


async def test_tasks_are_found_by_status_among_all_that_there_are(lab: CloudLab) -> None:
    first = await lab.submit()
    await lab.until(first, lambda one: one.record.billed_usd_per_hour is not None)
    for _ in range(3):
        await (await lab.submit()).cancel()
    assert [one.task_id for one in await lab.flow.list_tasks(status="running")] == [first.task_id]
    assert len(await lab.flow.list_tasks(status=["cancelled"])) == 3


async def test_owners_are_called_by_their_names(lab: CloudLab) -> None:
    task = await lab.submit()
    assert (await lab.flow.list_tasks())[0].record.owner == "ada"
    lab.bids[0].created_by = lab.cloud.world.users[1].fid
    assert (await task.refresh()).record.owner == "grace"
    assert lab.count("GET", "/v2/me*") == 2
