"""Rounds in which everything that manages tasks is killed, on whatever machine they run."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from testbed.waiting import task_until, until

import flow_core
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.records import read_json
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.process_table import find_process, list_processes, read_task_mark
from flow_core.config import Context
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.provider import Provider

ROUNDS = int(os.environ.get("FLOW_KILL_ROUNDS", "6"))
"""`make soak` runs more of them."""
LINES = 400
# Holds a lock on its GPU for as long as anything of it lives, and says so where another has it.
TASK = f"""
cd {{folder}}
exec 9>> gpu-$CUDA_VISIBLE_DEVICES
flock -n 9 || echo $FLOW_TASK_ID on $CUDA_VISIBLE_DEVICES >> used-twice
sleep 0.$((RANDOM % 5)) &
i=0
while [ $i -lt {LINES} ]; do i=$((i + 1)); echo $i; [ $((i % 40)) -ne 0 ] || sleep 0.02; done
wait
"""
# Submits three tasks for two GPUs, then lists them again and again, as the dashboard does. What fails it tries again.
CLIENT = """
import json, sys, time
from flow_core import Flow
from flow_core.config import Context
from flow_core.errors import FlowError
context, command, seed = json.loads(sys.argv[1])
fields = {"instance_type": "a100", "upload_code": False}
with Flow(Context(*context)) as flow:
    for number in range(3):
        task = None
        while task is None:
            try:
                task = flow.submit(command, idempotency_key=f"{seed}-{number}", **fields)
            except FlowError:
                time.sleep(0.02)
        print(task.task_id, flush=True)
    while True:
        try:
            flow.list_tasks()
        except FlowError:
            pass
        time.sleep(0.02)
"""


class Place(NamedTuple):
    """A machine with two GPUs. `ways` are what a client needs to reach it, each with how it is killed."""

    context: Context
    provider: Provider
    layout: Callable[[], Layout]
    folder: Path
    ways: Mapping[str, Callable[[], None]]


class _Round:
    """Three tasks, and the program that submits them."""

    def __init__(self, place: Place, seed: int) -> None:
        self._place = place
        self._seed = seed
        self._chance = random.Random(seed)

    async def run(self) -> set[str]:
        """The tasks that its client was told of."""
        context, command = self._place.context, TASK.format(folder=self._place.folder)
        arguments = json.dumps([[context.name, context.provider, dict(context.settings)], command, self._seed])
        env = {**os.environ, "PYTHONPATH": str(Path(flow_core.__file__).parents[1])}
        argv = [sys.executable, "-c", CLIENT, arguments]
        client = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, env=env)
        assert client.stdout is not None
        task_ids: set[str] = set()
        try:
            for victim in self._chance.sample(["client", "supervisor", "task", *(self._place.ways or ["nobody"])], 3):
                task_id = (await client.stdout.readline()).decode().strip()
                task_ids |= {task_id} - {""}
                await self._kill(victim, client, task_id)
        finally:
            if client.returncode is None:
                client.kill()
            await client.wait()
        return task_ids

    async def _kill(self, victim: str, client: asyncio.subprocess.Process, task_id: str) -> None:
        """Of tasks it is the one that was submitted last, where the client lived to submit one."""
        if victim == "client" and client.returncode is None:
            client.kill()
        if victim in self._place.ways:
            self._place.ways[victim]()
        if task_id and victim in ("supervisor", "task"):
            pid = await _process_of(self._place.layout().task(task_id), victim)
            if pid is not None and is_alive(pid):
                os.kill(pid, signal.SIGKILL)


async def kill_in_rounds(place: Place) -> None:
    """Asserts that no kill loses a task, a GPU or a line, and that nothing is left behind."""
    task_ids: set[str] = set()
    for seed in range(ROUNDS):
        task_ids |= await _Round(place, seed).run()
    tasks = await place.provider.list_tasks()
    assert task_ids <= {task.task_id for task in tasks}
    assert len(tasks) >= ROUNDS
    assert len({task.config["idempotency_key"] for task in tasks}) == len(tasks)
    ends = [await task_until(place.provider, task, lambda now: now.is_terminal) for task in tasks]
    assert any(end.message.startswith("lost") for end in ends)
    assert any("SIGKILL" in end.message for end in ends)
    for end in ends:
        _assert_whole(place, end)
    assert not (place.folder / "used-twice").exists()
    specs = [read_json(place.layout().task(task.task_id).spec) or {} for task in tasks]
    marks = {spec["mark"] for spec in specs}
    await until(
        lambda: not [pid for pid, one in list_processes().items() if read_task_mark(pid) in marks and not one.is_zombie]
    )
    offers = await place.provider.instances.find({"instance_type": "2xa100"})
    assert [one.free_gpus for one in offers] == [2], offers


def is_alive(pid: int) -> bool:
    found = find_process(pid)
    return found is not None and not found.is_zombie


async def _process_of(task: TaskFolder, victim: str) -> int | None:
    """None where it has ended already."""

    def found() -> TaskState | None:
        state = TaskState.read(task.state)
        if state is None or not (victim == "supervisor" or state.children or state.is_over):
            return None
        return state

    state = await until(found)
    identity = state.supervisor if victim == "supervisor" else state.child
    return None if identity is None or state.is_over else identity.pid


def _assert_whole(place: Place, end: TaskRecord) -> None:
    is_lost = end.message.startswith("lost")
    assert is_lost or end.status is TaskStatus.COMPLETED or "SIGKILL" in end.message, end.message
    log = place.layout().task(end.task_id).spool().log
    lines = log.read_bytes().split() if log.exists() else []
    whole = lines if end.status is TaskStatus.COMPLETED else lines[: len(lines) - is_lost]
    assert whole == [b"%d" % number for number in range(1, len(whole) + 1)]
    assert end.status is not TaskStatus.COMPLETED or len(whole) == LINES
