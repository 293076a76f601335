"""Clients are killed at every step of a start on several machines: no GPU stays held, and every task ends well."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from testbed.client_programs import ClientProgram, client_program
from testbed.hosts_lab import Lab, running, submit
from testbed.kill_rounds import RANDOM_ROUNDS
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.agent.calls import CONTEXT
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.multi_machine import read_order
from flow_core.agent.records import read_json
from flow_core.agent.task_state import TaskState
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.provider import Provider
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd", "linux")

# Each rank runs until it has seen the other one, and says so where somebody else uses its GPU.
COMMAND = """
exec 9>> $HOME/gpu-$CUDA_VISIBLE_DEVICES
flock -n 9 || echo $FLOW_TASK_ID >> $HOME/used-twice
touch {shared}/$FLOW_TASK_ID-$RANK
until [ -e {shared}/$FLOW_TASK_ID-$((1 - RANK)) ]; do sleep 0.05; done
"""
CLIENT = """
import json, sys, time
from flow_core import Flow
from flow_core.config import Context
from flow_core.providers.hosts import gang_start
gang_start.HOLD_S = 5.0  # a quarter of the usual time, since most tests wait for its end
settings, command, key, ahead_s = json.loads(sys.argv[1])
now = time.time
time.time = lambda: now() + ahead_s  # a wrong clock of the client's machine
fields = {"instance_type": "a100", "num_instances": 2, "upload_code": False, "idempotency_key": key}
with Flow(Context("lab", "hosts", settings)) as flow:
    print(flow.submit(command, **fields).task_id, flush=True)
    while True:
        flow.list_tasks()
        time.sleep(0.2)
"""


class Joint:
    """Two machines with a GPU each, and tasks that need both."""

    def __init__(self, lab: Lab, provider: HostsProvider, shared: Path) -> None:
        self.lab = lab
        self.provider = provider
        self.command = COMMAND.format(shared=shared)

    def client(
        self, key: str, *, is_turned: bool = False, ahead_s: float = 0.0
    ) -> AbstractAsyncContextManager[ClientProgram]:
        """Starts a client. With `is_turned` it lists the machines in reverse order; its clock is `ahead_s` ahead."""
        hosts = self.lab.context.settings["hosts"]
        settings = {"hosts": hosts[::-1] if is_turned else hosts}
        return client_program(CLIENT, settings, self.command, key, ahead_s)

    def folder(self, task_id: str, number: int) -> TaskFolder:
        return Layout(self.lab.root(number), CONTEXT).task(task_id)

    def has(self, number: int) -> bool:
        """Returns whether the machine has a part of a task."""
        specs = (read_json(path) or {} for path in self.lab.tasks(number).glob("task_*/spec.json"))
        return any(spec.get("part") for spec in specs)

    def state(self, task_id: str, number: int) -> TaskState:
        return TaskState.read(self.folder(task_id, number).state) or TaskState()

    def signal_supervisor(self, task_id: str, number: int, sent: signal.Signals) -> None:
        supervisor = self.state(task_id, number).supervisor
        assert supervisor is not None
        os.kill(supervisor.pid, sent)

    async def is_waiting(self, client: ClientProgram) -> str:
        """Returns the client's task once both parts wait."""
        task_id = await client.line()
        await until(lambda: all(self.state(task_id, number).supervisor for number in (0, 1)))
        return task_id

    async def is_held(self, task_id: str, number: int) -> None:
        await until(lambda: self.state(task_id, number).held_by)

    async def writes(self, count: int) -> None:
        """Returns after so many new or changed files of tasks, or after a while without any."""
        before, left = self._stamps(), count
        with suppress(TimeoutError):
            async with asyncio.timeout(4.0):
                while left > 0:
                    now = self._stamps()
                    left -= len(now - before)
                    before = now
                    await asyncio.sleep(0.005)

    def _stamps(self) -> set[tuple[str, int]]:
        files = (path for number in (0, 1) for path in self.lab.tasks(number).glob("task_*/*.json"))
        found = set()
        for path in files:
            with suppress(FileNotFoundError):
                found.add((str(path), path.stat().st_mtime_ns))
        return found

    async def all_run(self, keys: set[str]) -> None:
        """Repeats every submit with a new client; asserts that every task then ends well."""
        fields = {"instance_type": "a100", "num_instances": 2, "upload_code": False}
        async with AsyncFlow(self.lab.context) as flow:
            for key in sorted(keys):
                await flow.submit(self.command, **fields, idempotency_key=key)
            found = await self._ends(flow.provider)
            assert sorted(task.config["idempotency_key"] for task in found) == sorted(keys)
            assert {task.status for task in found} == {TaskStatus.COMPLETED}, found
            await until(lambda: self._all_free(flow.provider))
        assert not any((server.home / "used-twice").exists() for server in self.lab.servers)

    async def _ends(self, provider: Provider) -> list[TaskRecord]:
        """Returns the tasks on both machines once all have ended. Lists them repeatedly, as the dashboard does."""
        found: list[TaskRecord] = []

        async def are_over() -> bool:
            found[:] = [task for task in await provider.list_tasks() if task.num_instances == 2]
            return all(task.is_terminal for task in found)

        await until(are_over, explain=lambda: [f"{task.status}: {task.message}" for task in found])
        return found

    async def _all_free(self, provider: Provider) -> bool:
        found = await provider.instances.find({"instance_type": "a100"})
        return [one.free_gpus for one in found] == [1, 1]


class Holder:
    """A task that holds the GPU of machine two, so that all others wait."""

    def __init__(self, provider: HostsProvider, task: TaskRecord) -> None:
        self._provider = provider
        self._task = task

    async def end(self) -> None:
        await self._provider.cancel_task(self._task.task_id, force=True)


@pytest.fixture
async def joint(lab: Lab, tmp_path: Path) -> Joint:
    (tmp_path / "shared").mkdir()
    provider = lab.start(2, gpus="a100:1")
    await provider.list_tasks()
    return Joint(lab, provider, tmp_path / "shared")


@pytest.fixture
async def holder(joint: Joint) -> Holder:
    task = await submit(joint.provider, "sleep 651", instance_type="a100", region="two")
    return Holder(joint.provider, await running(joint.provider, task))


async def while_it_waits(joint: Joint, holder: Holder, client: ClientProgram, task_id: str) -> None:
    await client.kill()
    await holder.end()


async def after_the_first_take(joint: Joint, holder: Holder, client: ClientProgram, task_id: str) -> None:
    joint.signal_supervisor(task_id, 1, signal.SIGSTOP)
    await holder.end()
    await joint.is_held(task_id, 0)
    await client.kill()
    joint.signal_supervisor(task_id, 1, signal.SIGCONT)


async def after_both_takes(joint: Joint, holder: Holder, client: ClientProgram, task_id: str) -> None:
    await _while_the_start_is_locked(joint, holder, client, task_id, 0)
    assert [joint.state(task_id, number).status for number in (0, 1)] == ["pending", "pending"]


async def after_the_first_start(joint: Joint, holder: Holder, client: ClientProgram, task_id: str) -> None:
    await _while_the_start_is_locked(joint, holder, client, task_id, 1)
    assert [joint.state(task_id, number).status for number in (0, 1)] == ["running", "pending"]


async def after_both_starts(joint: Joint, holder: Holder, client: ClientProgram, task_id: str) -> None:
    await holder.end()
    await until(lambda: all(joint.state(task_id, number).started_at for number in (0, 1)))
    await client.kill()


async def _while_the_start_is_locked(
    joint: Joint, holder: Holder, client: ClientProgram, task_id: str, locked_number: int
) -> None:
    """Kills the client once both GPUs are held and every part that can start has started."""
    joint.signal_supervisor(task_id, 1, signal.SIGSTOP)
    await holder.end()
    await joint.is_held(task_id, 0)
    await until(lambda: read_order(joint.folder(task_id, 1)) is not None)
    with exclusive_lock(joint.folder(task_id, locked_number).start_lock):
        joint.signal_supervisor(task_id, 1, signal.SIGCONT)
        await joint.is_held(task_id, 1)
        if locked_number == 1:
            await until(lambda: joint.state(task_id, 0).status == "running")
        client.send(signal.SIGSTOP)  # its connections stay open
        joint.lab.servers[locked_number].drop_sessions()  # kills the agent too, before it handles the request
        await client.kill()


STEPS = (while_it_waits, after_the_first_take, after_both_takes, after_the_first_start, after_both_starts)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_two_tasks_in_opposite_order_both_run(joint: Joint, holder: Holder, step: Any) -> None:
    chance = random.Random(step.__name__)
    is_turned = chance.random() < 0.5
    async with joint.client("first", is_turned=is_turned) as one:
        first = await joint.is_waiting(one)
        async with joint.client("second", is_turned=not is_turned) as other:
            await joint.is_waiting(other)
            killed, left = chance.sample((one, other), 2)
            await killed.kill()
            await step(joint, holder, left, first)
    await joint.all_run({"first", "second"})


async def test_a_task_that_has_started_on_one_machine_goes_before_earlier_tasks(joint: Joint, holder: Holder) -> None:
    async with joint.client("first") as one:
        await after_the_first_start(joint, holder, one, await joint.is_waiting(one))
    async with joint.client("second", is_turned=True, ahead_s=-3600.0) as other:
        await joint.is_waiting(other)
    await joint.all_run({"first", "second"})


@pytest.mark.parametrize("is_agent_killed", [False, True], ids=["client", "client and agent"])
async def test_two_tasks_run_if_the_submit_of_one_reached_only_one_machine(joint: Joint, is_agent_killed: bool) -> None:
    with exclusive_lock(Layout(joint.lab.root(1), CONTEXT).volumes_lock):
        async with joint.client("first") as one:
            await until(lambda: joint.has(0))
            one.send(signal.SIGSTOP)
            if is_agent_killed:
                joint.lab.servers[1].drop_sessions()
            await one.kill()
        assert not joint.has(1)
    async with joint.client("second", is_turned=True) as other:
        await joint.is_waiting(other)
    await joint.all_run({"first", "second"})


async def test_two_tasks_run_if_their_clients_are_killed_at_random_moments(joint: Joint) -> None:
    """The seed decides after how many written files each client is killed."""
    chance, keys = random.Random(8), set()
    for number in range(2 + RANDOM_ROUNDS):
        async with AsyncExitStack() as stack:
            clients = []
            for name, is_turned in (("first", False), ("second", True)):
                keys.add(f"{name}-{number}")
                clients.append(await stack.enter_async_context(joint.client(f"{name}-{number}", is_turned=is_turned)))
            for client in chance.sample(clients, 2):
                await joint.writes(chance.randint(1, 12))
                await client.kill()
    await joint.all_run(keys)
