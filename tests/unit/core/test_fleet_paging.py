"""Long lists of tasks: the last ones come first, the others when they are asked for."""

from __future__ import annotations

import asyncio

from testbed.obedient import FAR, Archive, state, task
from testbed.obedient import archive as archive
from testbed.waiting import until

from flow_core.audit import Gate
from flow_core.fleet import Fleet
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.provider import PollIntervals


async def test_the_last_tasks_come_first_with_those_that_run_and_the_number_of_all(archive: type[Archive]) -> None:
    listed: list[int] = []
    async with Fleet([FAR], Gate()) as fleet:
        fleet.subscribe(lambda _: listed.append(len(fleet.tasks)))
        await until(lambda: listed[-2:] == [101, 501])
        assert fleet.task_total == 2_300
        assert (fleet.tasks[0].task_id, fleet.tasks[-1].task_id) == ("t-0", "old")
        calls = archive.calls
        await until(lambda: archive.calls > calls + 3)
        assert set(archive.asked[2:]) == {500}


async def test_more_tasks_come_in_steps_and_stay(archive: type[Archive]) -> None:
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: len(fleet.tasks) == 501)
        fleet.list_tasks(400)
        fleet.list_tasks(700)
        await until(lambda: len(fleet.tasks) == 701)
        fleet.list_tasks(None)
        await until(lambda: len(fleet.tasks) == 2_300)
        fleet.list_tasks(100)
        tasks, calls = fleet.tasks, archive.calls
        await until(lambda: archive.calls > calls + 3)
        assert fleet.tasks is tasks
        assert state(fleet, "far").task_total == 2_300
        archive.count += 1
        archive.known.clear()
        await until(lambda: fleet.task_total == 2_301 and len(fleet.tasks) == 2_301)


async def test_a_provider_that_lists_fewer_tasks_than_it_counts_is_not_asked_without_a_pause(
    archive: type[Archive],
) -> None:
    archive.poll = PollIntervals(busy_s=60, idle_s=60)
    async with Fleet([FAR], Gate()) as fleet:
        archive.known.update(dict.fromkeys((100, 500), Listing.of([task("only")], total=9)))
        await until(lambda: fleet.tasks)
        await until(lambda: archive.calls == 2)
        fleet.refresh()
        await until(lambda: archive.calls == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert archive.calls == 3
        assert fleet.task_total == 9
