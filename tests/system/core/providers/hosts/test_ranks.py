"""Tasks on several machines: all ranks start or none, a failed rank ends the others, and one record stands for all."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until

from flow_core import AsyncFlow
from flow_core.agent.multi_machine import NO_CLIENT
from flow_core.config import Context
from flow_core.errors import CapacityError, Conflict, Unsupported
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd")
SEEN = "echo $FLOW_NODE_RANK/$FLOW_NUM_NODES $RANK/$WORLD_SIZE $PET_NODE_RANK/$PET_NNODES $MASTER_ADDR $MASTER_PORT"


def age(lab: Lab, task_id: str) -> None:
    """Makes the machines forget when a client was there last."""
    for number in range(len(lab.servers)):
        (lab.tasks(number) / task_id / "client").unlink(missing_ok=True)


async def start_one(provider: HostsProvider, task: TaskRecord) -> None:
    """Starts the part on machine one only, as a client does that is killed then."""
    agent = next(view.agent for view in provider._tasks.find_hosts(task.task_id) if view.agent.name == "one")
    assert await agent.call("take_part", task_id=task.task_id, by="a client", hold_s=20.0)
    await agent.call("start_part", task_id=task.task_id, by="a client")


async def test_each_rank_runs_on_its_own_machine_with_the_addresses_of_all(lab: Lab) -> None:
    provider = lab.start(2)
    task = await submit(provider, f"{SEEN} $CUDA_VISIBLE_DEVICES; sleep 0.2", num_instances=2, instance_type="a100")
    assert task.num_instances == 2
    assert sorted(task.instances) == ["one", "two"]
    found = await ended(provider, task)
    assert (found.status, found.exit_code) == (TaskStatus.COMPLETED, 0)
    async with AsyncFlow(lab.context) as flow:
        logs = [await flow.logs(task.task_id, rank=rank) for rank in (0, 1)]
        assert [address.rank for address in await flow.log_addresses(task.task_id)] == [0, 1]
    words = [line.split() for line in logs]
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


async def test_a_rank_whose_supervisor_is_killed_ends_the_others(lab: Lab) -> None:
    provider = lab.start(2)
    task = await running(provider, await submit(provider, "sleep 643", num_instances=2))
    os.kill(lab.supervisor(task, 1), signal.SIGKILL)
    found = await ended(provider, task)
    assert found.status is TaskStatus.FAILED
    assert "lost: its supervisor was killed" in found.message


async def test_it_waits_until_all_machines_are_free_and_says_why_and_holds_no_gpus(lab: Lab) -> None:
    provider = lab.start(2)
    holder = await running(provider, await submit(provider, "sleep 644", instance_type="a100:2", region="two"))
    task = await submit(provider, "sleep 645", num_instances=2, instance_type="a100:2")
    waiting = await until(provider, task, lambda now: "0 of 2 free" in now.message)
    assert (waiting.status, waiting.message) == (TaskStatus.PENDING, "two: waiting for 2 x a100: 0 of 2 free")
    assert next(one.free_gpus for one in await provider.instances.find({"region": "one"})) == 2
    await provider.cancel_task(holder.task_id, force=True)
    assert (await running(provider, task)).instances


async def test_without_a_client_it_waits_for_one_and_blocks_no_other_task(lab: Lab) -> None:
    provider = lab.start(2, gpus="a100:1")
    holder = await running(provider, await submit(provider, "sleep 646", instance_type="a100", region="two"))
    task = await submit(provider, "true", num_instances=2, instance_type="a100")
    await provider.close()
    age(lab, task.task_id)
    alone = lab.open(Context("half", "hosts", {"hosts": lab.context.settings["hosts"][:1]}))
    found = await until(alone, task, lambda now: "client" in lab.state(task).message)
    assert lab.state(task).message == NO_CLIENT
    assert "only one of its 2 machines has it" in found.message
    behind = await submit(alone, "true", instance_type="a100", region="one")
    assert (await ended(alone, behind)).status is TaskStatus.COMPLETED
    both = lab.open()
    await both.cancel_task(holder.task_id, force=True)
    assert (await ended(both, task)).status is TaskStatus.COMPLETED


async def test_while_a_machine_is_down_the_others_hold_no_gpus_for_it(lab: Lab) -> None:
    provider = lab.start(2, gpus="a100:1")
    holder = await running(provider, await submit(provider, "sleep 647", instance_type="a100", region="two"))
    task = await submit(provider, "true", num_instances=2, instance_type="a100")
    await until(provider, task, lambda now: "0 of 1 free" in now.message)
    lab.servers[1].stop()
    found = await until(provider, task, lambda now: "doesn't answer" in now.message)
    assert found.message.startswith("two doesn't answer since")
    os.kill(
        int(holder.provider_metadata["pid"]), signal.SIGKILL
    )  # now the part there could start, but no client reaches it
    age(lab, task.task_id)
    behind = await submit(provider, "true", instance_type="a100", region="one")
    assert (await ended(provider, behind)).status is TaskStatus.COMPLETED
    lab.servers[1].start()
    assert (await ended(provider, task)).status is TaskStatus.COMPLETED


async def test_a_part_that_has_ended_is_not_waited_for(lab: Lab) -> None:
    provider = lab.start(2, gpus="a100:1")
    await submit(provider, "sleep 648", instance_type="a100", region="two")
    task = await submit(provider, "true", num_instances=2, instance_type="a100")
    await start_one(provider, task)
    await until(provider, task, lambda _: lab.state(task).status == "completed")
    assert (await provider.get_task(task.task_id)).status is TaskStatus.RUNNING


async def test_a_client_that_waits_for_a_task_also_starts_the_tasks_before_it(lab: Lab, tmp_path: Path) -> None:
    provider = lab.start(2, gpus="a100:1")
    holder = await running(provider, await submit(provider, "sleep 650", instance_type="a100", region="two"))
    meets = f"touch {tmp_path}/$RANK; until [ -e {tmp_path}/$((1 - RANK)) ]; do sleep 0.05; done"
    half = await submit(provider, meets, num_instances=2, instance_type="a100")
    await start_one(provider, half)
    await provider.close()
    other = lab.open()
    behind = await submit(other, "true", num_instances=2, instance_type="a100")
    await other.cancel_task(holder.task_id, force=True)
    assert (await ended(other, behind)).status is TaskStatus.COMPLETED


async def test_two_tasks_that_want_all_machines_at_the_same_time_both_run(lab: Lab) -> None:
    provider = lab.start(2, gpus="a100:1")
    other = lab.open()
    tasks = await asyncio.gather(
        *(submit(one, "sleep 0.3", num_instances=2, instance_type="a100") for one in (provider, other))
    )
    for task in tasks:
        found = await ended(provider, task)
        assert found.status is TaskStatus.COMPLETED, found.message


async def test_a_submit_that_one_machine_refuses_leaves_nothing_and_can_be_tried_again(lab: Lab) -> None:
    provider = lab.start(2)
    holder = await running(provider, await submit(provider, "sleep 649", ports=[18123], region="two"))
    wish = {"num_instances": 2, "instance_type": "a100", "ports": [18123], "idempotency_key": "once"}
    with pytest.raises(Conflict, match="18123"):
        await submit(provider, "true", **wish)
    assert [task.task_id for task in await provider.list_tasks()] == [holder.task_id]
    assert not list((lab.root(0) / "queue").glob("0*.json"))
    await provider.cancel_task(holder.task_id, force=True)
    await ended(provider, holder)
    assert (await ended(provider, await submit(provider, "true", **wish))).status is TaskStatus.COMPLETED


async def test_one_machine_with_two_names_counts_once(lab: Lab) -> None:
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


async def test_fields_that_several_machines_do_not_support_are_refused(lab: Lab) -> None:
    provider = lab.start(2)
    refused: list[dict[str, Any]] = [
        {"retries": 2},
        {"volumes": [{"name": "shared", "size_gb": 1, "interface": "file"}]},
    ]
    for fields in refused:
        with pytest.raises(Unsupported, match=next(iter(fields))):
            await submit(provider, "true", num_instances=2, **fields)
    with pytest.raises(CapacityError, match="3 machines"):
        await submit(provider, "true", num_instances=3)
    assert await provider.list_tasks() == ()
