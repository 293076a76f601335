"""Lists of tasks: how many requests they cost, and in which order they come."""

from __future__ import annotations

import asyncio

from testbed.mithril_account import Lab


async def test_a_hundred_tasks_are_listed_with_a_page_of_each_kind_and_no_request_of_their_own(lab: Lab) -> None:
    lab.cloud.world.quotas["Spot"] = 1000
    for auction in lab.cloud.world.auctions.values():
        auction.capacity = 1000
    submitted = [await lab.submit() for _ in range(100)]
    await lab.until(submitted[-1], lambda one: one.record.billed_usd_per_hour is not None)
    await lab.flow.list_tasks(limit=1000)
    lab.cloud.calls.clear()
    found = await lab.flow.list_tasks(limit=1000)
    assert [one.task_id for one in found] == [one.task_id for one in reversed(submitted)]
    assert all(one.record.command == "true" for one in found)
    paths = [call.path for call in lab.cloud.calls]
    listings = {"/v2/spot/bids": 2, "/v2/instances": 2, "/v2/spot/availability": 1}
    assert all(paths.count(path) <= listings.get(path, 0) for path in paths), paths


async def test_pages_are_followed_to_their_end_and_no_further_than_asked(lab: Lab) -> None:
    submitted = [await lab.submit(name=f"one-{number}", unique_name=False) for number in range(60)]
    await asyncio.gather(*(task.cancel() for task in submitted[10:]))
    await lab.flow.list_tasks()
    assert [one.task_id for one in await lab.flow.list_tasks(limit=100)] == [one.task_id for one in submitted[::-1]]
    lab.cloud.calls.clear()
    assert len(await lab.flow.list_tasks(limit=3)) == 3
    assert lab.count("GET", "/v2/spot/bids") == 1


async def test_tasks_are_found_by_status_among_all_that_there_are(lab: Lab) -> None:
    first = await lab.submit()
    await lab.until(first, lambda one: one.record.billed_usd_per_hour is not None)
    for _ in range(3):
        await (await lab.submit()).cancel()
    assert [one.task_id for one in await lab.flow.list_tasks(status="running")] == [first.task_id]
    assert len(await lab.flow.list_tasks(status=["cancelled"])) == 3


async def test_owners_are_called_by_their_names(lab: Lab) -> None:
    task = await lab.submit()
    assert (await lab.flow.list_tasks())[0].record.owner == "ada"
    lab.bids[0].created_by = lab.cloud.world.users[1].fid
    assert (await task.refresh()).record.owner == "grace"
    assert lab.count("GET", "/v2/me*") == 2
