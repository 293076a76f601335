"""Tasks on several machines: all start or none, one that fails ends the others, and one record stands for all."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from core.providers.hosts.conftest import Lab, ended, running, submit

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.errors import CapacityError, Conflict, Unsupported
from flow_core.models.task import TaskStatus

pytestmark = pytest.mark.needs("sshd")
SEEN = "echo $FLOW_NODE_RANK/$FLOW_NUM_NODES $RANK/$WORLD_SIZE $PET_NODE_RANK/$PET_NNODES $MASTER_ADDR $MASTER_PORT"


async def test_each_rank_runs_on_a_machine_of_its_own_and_is_told_of_the_others(lab: Lab) -> None:
    provider = lab.start(2)
    task = await submit(provider, f"{SEEN} $CUDA_VISIBLE_DEVICES; sleep 0.2", num_instances=2, instance_type="a100")
    assert task.num_instances == 2
    assert sorted(task.instances) == ["one", "two"]
    found = await ended(provider, task)
    assert (found.status, found.exit_code) == (TaskStatus.COMPLETED, 0)
    async with AsyncFlow(lab.context) as flow:
        said = [await flow.logs(task.task_id, rank=rank) for rank in (0, 1)]
        assert [address.rank for address in await flow.log_addresses(task.task_id)] == [0, 1]
    words = [line.split() for line in said]
    assert [line[:3] for line in words] == [["0/2"] * 3, ["1/2"] * 3]
    assert words[0][3:5] == words[1][3:5]
    assert [line[5] for line in words] == ["0", "0"]
    assert len(await lab.open().list_tasks()) == 1


async def test_a_rank_that_fails_ends_the_others(lab: Lab) -> None:
    provider = lab.start(2)
    task = await submit(provider, "[ $RANK = 0 ] && exec sleep 641; exit 5", num_instances=2)
    found = await ended(provider, task)
    assert (found.status, found.exit_code) == (TaskStatus.FAILED, 5)
    assert "rank 1" in found.message
    assert await lab.open().get_task(task.task_id) == found


async def test_cancelling_ends_every_rank(lab: Lab) -> None:
    provider = lab.start(2)
    task = await running(provider, await submit(provider, "sleep 642", num_instances=2))
    await lab.open().cancel_task(task.task_id)
    assert (await ended(provider, task)).status is TaskStatus.CANCELLED


async def test_a_rank_whose_keeper_is_killed_ends_the_others(lab: Lab) -> None:
    provider = lab.start(2)
    task = await running(provider, await submit(provider, "sleep 643", num_instances=2))
    os.kill(int((lab.root(1) / "tasks" / task.task_id / "keeper").read_text().split()[0]), signal.SIGKILL)
    found = await ended(provider, task)
    assert found.status is TaskStatus.FAILED
    assert "lost: its keeper was killed" in found.message


async def test_where_not_all_can_start_none_does(lab: Lab) -> None:
    provider = lab.start(2)
    holder = await running(provider, await submit(provider, "sleep 644", instance_type="a100:2", region="two"))
    with pytest.raises(CapacityError, match="free on 1 machines now"):
        await submit(provider, "true", num_instances=2, instance_type="a100:2")
    with pytest.raises(CapacityError, match="3 machines"):
        await submit(provider, "true", num_instances=3)
    assert [task.task_id for task in await provider.list_tasks()] == [holder.task_id]


async def test_two_who_want_all_machines_at_once_get_them_whole_or_not(lab: Lab) -> None:
    provider = lab.start(2, gpus="a100:1")
    other = lab.open()
    made = await asyncio.gather(
        *(submit(one, "sleep 0.3", num_instances=2, instance_type="a100") for one in (provider, other)),
        return_exceptions=True,
    )
    refused = [one for one in made if isinstance(one, BaseException)]
    assert all(isinstance(one, CapacityError) for one in refused), refused
    tasks = await provider.list_tasks()
    assert len(tasks) == len(made) - len(refused)
    for task in tasks:
        assert (await ended(provider, task)).status is TaskStatus.COMPLETED


async def test_one_machine_by_two_names_is_not_two(lab: Lab) -> None:
    provider = lab.start(1)
    (listed,) = lab.context.settings["hosts"]
    with (Path.home() / ".ssh/config").open("a") as config:
        config.write(lab.servers[0].config(name="alias").read_text())
    twice = lab.open(Context("lab", "hosts", {"hosts": [listed, {**listed, "name": "alias"}]}))
    with pytest.raises(Conflict, match="by another name"):
        await submit(twice, "true", num_instances=2)
    assert await provider.list_tasks() == ()
    task = await submit(twice, "true")
    assert [one.task_id for one in await twice.list_tasks()] == [task.task_id]


@pytest.mark.parametrize(
    "fields", [{"retries": 2}, {"volumes": [{"name": "shared", "size_gb": 1, "interface": "file"}]}]
)
async def test_what_several_machines_do_not_do_is_refused(lab: Lab, fields: dict[str, object]) -> None:
    provider = lab.start(2)
    with pytest.raises(Unsupported, match=next(iter(fields))):
        await submit(provider, "true", num_instances=2, **fields)
    assert await provider.list_tasks() == ()
