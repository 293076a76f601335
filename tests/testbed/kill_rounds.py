"""Rounds of kills: of clients, supervisors, tasks, and of what clients need to reach a machine."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from testbed.client_programs import ClientProgram, client_program
from testbed.waiting import task_until, until

from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.processes.table import find_process, list_processes, read_task_mark
from flow_core.agent.records import read_json
from flow_core.agent.task_state import TaskState
from flow_core.config import Context
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.provider import Provider

RANDOM_ROUNDS = int(os.environ.get("FLOW_KILL_ROUNDS", "0"))
"""Number of further rounds with random kills."""
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
context, command, key = json.loads(sys.argv[1])
fields = {"instance_type": "a100", "upload_code": False}
with Flow(Context(*context)) as flow:
    for number in range(3):
        task = None
        while task is None:
            try:
                task = flow.submit(command, idempotency_key=f"{key}-{number}", **fields)
            except FlowError:
                time.sleep(0.02)
        print(task.task_id, flush=True)
    while True:
        try:
            flow.list_tasks()
        except FlowError:
            pass
        time.sleep(0.05)
"""


class Place(NamedTuple):
    """A machine with two GPUs. `ways` holds what a client needs to reach it, and for each a function that kills it."""

    context: Context
    provider: Provider
    layout: Callable[[], Layout]
    folder: Path
    ways: Mapping[str, Callable[[], None]]


class _Round:
    """Three tasks, the program that submits them, and a kill after each submit."""

    def __init__(self, place: Place, key: str, victims: Sequence[str]) -> None:
        self._place = place
        self._key = key
        self._victims = victims

    async def run(self) -> set[str]:
        """Returns the tasks whose ids the client has printed."""
        context, command = self._place.context, TASK.format(folder=self._place.folder)
        named = [context.name, context.provider, dict(context.settings)]
        task_ids: set[str] = set()
        async with client_program(CLIENT, named, command, self._key) as client:
            for victim in self._victims:
                task_id = await client.line()
                task_ids |= {task_id} - {""}
                await self._kill(victim, client, task_id)
        return task_ids

    async def _kill(self, victim: str, client: ClientProgram, task_id: str) -> None:
        """Kills the victim: of tasks and supervisors those of the last submit, if the client lived to submit a task."""
        if victim == "client":
            client.send(signal.SIGKILL)
        if victim in self._place.ways:
            self._place.ways[victim]()
        if task_id and victim in ("supervisor", "task"):
            pid = await _process_of(self._place.layout().task(task_id), victim)
            if pid is not None and is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def _rounds_of(place: Place) -> list[_Round]:
    """Kills each victim once after the first, once after the second and once after the third submit."""
    victims = ["supervisor", "task", "client", *(place.ways or ["nobody"])]
    turned = [victims[number:] + victims[:number] for number in range(len(victims))]
    rounds = [_Round(place, order[0], order[:3]) for order in turned]
    chance = random.Random(0)
    return rounds + [_Round(place, str(number), chance.sample(victims, 3)) for number in range(RANDOM_ROUNDS)]


async def kill_in_rounds(place: Place) -> None:
    """Asserts that no kill loses a task, a GPU or a line, and that no process is left."""
    task_ids: set[str] = set()
    rounds = _rounds_of(place)
    for one in rounds:
        task_ids |= await one.run()
    tasks = await place.provider.list_tasks()
    assert task_ids <= {task.task_id for task in tasks}
    assert len(tasks) >= len(rounds)
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
    """The process id; None if the process has ended already."""

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
    log = place.layout().task(end.task_id).get_spool().log
    lines = log.read_bytes().split() if log.exists() else []
    whole = lines if end.status is TaskStatus.COMPLETED else lines[: len(lines) - is_lost]
    assert whole == [b"%d" % number for number in range(1, len(whole) + 1)]
    assert end.status is not TaskStatus.COMPLETED or len(whole) == LINES
