"""Whatever is killed, and in whatever order: no task is lost, no GPU is used twice, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.waiting import until

import flow_core
from flow_core.agent.supervisor.process_table import mark_of, snapshot
from flow_core.models.task import TaskStatus

ROUNDS = 22
LINES = 400
# Holds a lock on its GPU for as long as anything of it lives, and says so where another has it.
TASK = f"""
exec 9>> gpu-$CUDA_VISIBLE_DEVICES
flock -n 9 || echo $FLOW_TASK_ID on $CUDA_VISIBLE_DEVICES >> used-twice
sleep 0.$((RANDOM % 5)) &
i=0
while [ $i -lt {LINES} ]; do i=$((i + 1)); echo $i; [ $((i % 40)) -ne 0 ] || sleep 0.02; done
wait
"""
# Submits three tasks for two GPUs, then looks at them for ever, as the dashboard does.
CLIENT = f"""
from flow_core import Flow
flow = Flow()
for number in range(3):
    print(flow.submit({TASK!r}, instance_type="a100").task_id, flush=True)
while True:
    flow.list_tasks()
"""


class Round:
    """Three tasks, and the program that submitted them."""

    def __init__(self, machine: Any, seed: int) -> None:
        self.machine = machine
        self.chance = random.Random(seed)
        self.marks: dict[str, str] = {}

    async def run(self) -> None:
        env = {**os.environ, "PYTHONPATH": str(Path(flow_core.__file__).parents[1])}
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, stdout=asyncio.subprocess.PIPE, env=env
        )
        assert client.stdout is not None
        try:
            for victim in self.chance.sample(["client", "supervisor", "task", "nobody"], 3):
                await self._kill(victim, client, await self._submitted(client.stdout))
        finally:
            if client.returncode is None:
                client.kill()
            await client.wait()

    async def _submitted(self, stream: asyncio.StreamReader) -> str | None:
        """The next task that the client has submitted."""
        task_id = (await stream.readline()).decode().strip()
        return task_id or None

    async def _kill(self, victim: str, client: asyncio.subprocess.Process, task_id: str | None) -> None:
        if victim == "client" and client.returncode is None:
            client.kill()
        if task_id is None or victim not in ("supervisor", "task"):
            return
        task = await self.machine.provider.get_task(task_id)
        if victim == "task":
            task = await self.machine.running(task)
        pid = self.machine.supervisor(task) if victim == "supervisor" else task.provider_metadata["pid"]
        if pid is not None and self.machine.is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.needs("linux", "bash")
async def test_no_kill_loses_a_task_a_gpu_or_a_line(machine: Any) -> None:
    for seed in range(ROUNDS):
        await Round(machine, seed).run()
    tasks = await machine.provider.list_tasks()
    assert len(tasks) >= ROUNDS
    ends = [await machine.ended(task) for task in tasks]
    assert any(end.message.startswith("lost") for end in ends)
    assert any("SIGKILL" in end.message for end in ends)
    for task, end in zip(tasks, ends, strict=True):
        is_lost = end.message.startswith("lost")
        assert is_lost or end.status is TaskStatus.COMPLETED or "SIGKILL" in end.message, end.message
        lines = machine.written(task).split()
        whole = lines if end.status is TaskStatus.COMPLETED else lines[: len(lines) - is_lost]
        assert whole == [b"%d" % number for number in range(1, len(whole) + 1)]
        assert end.status is not TaskStatus.COMPLETED or len(whole) == LINES
    assert not Path("used-twice").exists()
    marks = {machine.record(task, "spec")["mark"] for task in tasks}
    await until(lambda: not [pid for pid, one in snapshot().items() if mark_of(pid) in marks and not one.is_zombie])
    offers = await machine.provider.instances.find({"instance_type": "2xa100"})
    assert [one.available_quantity for one in offers] == [1]
