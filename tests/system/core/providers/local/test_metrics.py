"""How busy this machine is: what a task may see of its GPUs, and that nothing measures while nobody looks."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.fake_smi import FakeSmi

from flow_core import AsyncFlow, Flow
from flow_core.errors import ConfigError, NotFound
from flow_core.models.metrics import MachineSample

THREE = "titan-x.csv"


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSmi:
    smi = FakeSmi(tmp_path)
    monkeypatch.setenv("PATH", f"{smi.bin}:{os.environ['PATH']}")
    smi.set_output(THREE, "titan-x-apps.csv")
    return smi


def samplers(parent: int) -> list[int]:
    """Whatever measures this machine for a process."""
    rows = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    words = [row.split(None, 2) for row in rows.stdout.splitlines()]
    return [int(pid) for pid, ppid, *args in words if int(ppid) == parent and "pause=" in "".join(args)]


async def first(flow: AsyncFlow, task_id: str, node: int = 0) -> MachineSample:
    async with aclosing(flow.task_metrics(task_id, node)) as samples:
        return await anext(samples)


async def test_a_task_sees_the_gpus_it_has_and_who_uses_them(machine, smi):
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    async with AsyncFlow("local") as flow:
        sample = await first(flow, task.task_id)
        (gpu,) = sample.gpus
        assert (gpu.index, gpu.name, gpu.utilization_percent) == (0, "GeForce GTX TITAN X", 76)
        assert [process.pid for process in sample.processes] == [48448, 153223]
        assert sample.load is not None


async def test_each_rank_sees_its_own_gpus(machine, smi):
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100", num_instances=2))
    async with AsyncFlow("local") as flow:
        assert [[gpu.index for gpu in (await first(flow, task.task_id, node)).gpus] for node in (0, 1)] == [[0], [1]]
        with pytest.raises(ConfigError) as refused:
            await first(flow, task.task_id, 2)
        assert refused.value.field == "node"


async def test_a_task_that_was_told_of_no_gpus_sees_all_as_the_machine_does(machine, smi):
    task = await machine.running(await machine.submit("sleep 300"))
    async with AsyncFlow("local") as flow:
        assert len((await first(flow, task.task_id)).gpus) == 3
        async with aclosing(flow.instance_metrics("local-cpu")) as samples:
            assert len((await anext(samples)).gpus) == 3
        with pytest.raises(NotFound, match="find_instances"):
            await anext(flow.instance_metrics("local-8xh900"))


async def test_two_who_look_share_one_sampler_which_ends_with_the_last_one(machine, smi):
    task = await machine.running(await machine.submit("sleep 300"))
    async with AsyncFlow("local") as flow:
        async with aclosing(flow.task_metrics(task.task_id)) as one, aclosing(flow.task_metrics(task.task_id)) as two:
            await anext(one)
            await anext(two)
            await one.aclose()
            await anext(two)
            assert len(samplers(os.getpid())) == 1
        assert samplers(os.getpid()) == []


async def test_a_program_that_is_killed_leaves_no_sampler(machine, smi):
    look = (
        "from flow_core import Flow\n"
        "for sample in Flow('local').instance_metrics('local-cpu'): print(len(sample.gpus), flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "3\n"
        (sampler,) = samplers(process.pid)
        process.kill()
    await machine.until(lambda: not machine.is_alive(sampler), "the sampler is gone")


def test_ordinary_code_may_leave_the_loop_early(machine_home: Path, smi: FakeSmi) -> None:
    with Flow("local") as flow:
        for sample in flow.instance_metrics("local-cpu"):
            assert len(sample.gpus) == 3
            break
        assert samplers(os.getpid()) == []


@pytest.fixture
def machine_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    return tmp_path
