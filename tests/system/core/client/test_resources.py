"""The nouns of a client: each does what the flat names do, in the client that it was taken from."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from testbed.waiting import DEADLINE_S, wait_until

from flow_core import AsyncFlow, Flow, FlowError
from flow_core.config import Context


async def test_the_resources_do_what_the_flat_names_do() -> None:
    async with AsyncFlow("local") as flow:
        volume = await flow.volumes.create(1, name="data", interface="file")
        assert await flow.volumes.list() == await flow.list_volumes() == [volume]
        task = await flow.tasks.run("cat /proc/self/comm", volumes=[{"name": "data", "mount_path": "/volumes/data"}])
        await task.wait(DEADLINE_S)
        assert await flow.tasks.get(task.task_id) == await flow.get_task(task.task_id) == task
        assert await flow.tasks.status(task.task_id) == await flow.status(task.task_id) == "completed"
        assert await flow.task_logs.read(task.task_id) == await flow.logs(task.task_id) == "cat\n"
        assert await flow.instances.of_task(task.task_id) == await flow.get_task_instances(task.task_id)
        assert await flow.instances.normalize(2, "a100") == await flow.normalize_instance_request(2, "a100")
        assert await flow.account.projects() == await flow.list_projects()
        assert await flow.ssh_keys.list() == await flow.list_ssh_keys()
        assert await flow.reservations.list() == await flow.list_reservations() == []
        await flow.volumes.delete("data")
        assert await flow.volumes.list() == []


def test_the_resources_of_a_script_do_what_the_flat_names_do() -> None:
    with Flow("local") as flow:
        task = flow.tasks.submit("echo inside; sleep 600", name="nouns")
        task.wait_until_started(DEADLINE_S)
        assert (
            [one.task_id for one in flow.tasks.list()] == [one.task_id for one in flow.list_tasks()] == [task.task_id]
        )
        assert next(flow.task_logs.stream(task.task_id)) == "inside"
        assert flow.task_access.remote_operations().run(task.task_id, "echo there").stdout == b"there\n"
        (address,) = flow.task_logs.addresses(task.task_id)
        assert next(flow.task_logs.read_bytes(address, 2)) == (2, b"side\n")
        flow.tasks.cancel(task.task_id, force=True)
        task.wait(DEADLINE_S)
        assert flow.task_logs.read(task.task_id, tail=1) == "inside\n"
        wait_until(lambda: flow.tasks.plan_pruning(older_than_days=0).tasks)  # its supervisor ends a moment later
        plan = flow.tasks.plan_pruning(task_ids=[task.task_id])
        assert [one.task_id for one in flow.tasks.prune(plan).pruned] == [task.task_id]


async def test_a_resource_outlives_neither_its_client_nor_another() -> None:
    async with AsyncFlow(Context("one", "local")) as one, AsyncFlow(Context("two", "local")) as two:
        tasks = one.tasks
        assert [(await flow.tasks.run("true", dry_run=True)).context for flow in (one, two)] == ["one", "two"]
        await one.close()
        with pytest.raises(FlowError, match="client of context 'one' is closed"):
            await tasks.list()
        assert await two.tasks.list() == []


async def test_a_stream_of_a_resource_can_be_left_early() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.tasks.submit("echo first; sleep 600")
        async with aclosing(flow.task_logs.stream(task.task_id)) as lines:
            async for line in lines:
                assert line == "first"
                break
        await task.cancel(force=True)
        await task.wait(DEADLINE_S)
