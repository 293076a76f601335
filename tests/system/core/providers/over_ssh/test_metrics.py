"""Measuring machines behind a real OpenSSH server."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.fake_smi import FakeSmi
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S

from flow_core.errors import NotFound, Unreachable
from flow_core.models.metrics import MachineSample
from flow_core.providers.over_ssh.metrics import SshMetrics
from flow_core.providers.over_ssh.task_nodes import TaskNode
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd")


class Tasks:
    """Tasks of one host, each with other visible GPUs."""

    def __init__(self, host: SshHost) -> None:
        self.host = host
        self.told: dict[str, str | None] = {"first": "0", "second": "GPU-d1df4664,GPU-50205d95", "untold": None}
        self.over: set[str] = set()

    async def locate(self, task_id: str, node: int) -> TaskNode:
        if task_id not in self.told:
            raise NotFound(f"no task {task_id!r}")
        told = self.told[task_id]
        env = "unset CUDA_VISIBLE_DEVICES" if told is None else f"export CUDA_VISIBLE_DEVICES={shlex.quote(told)}"
        return TaskNode(self.host, "/", lambda command: f"{env}; {command}")

    async def is_over(self, task_id: str) -> bool:
        return task_id in self.over


class Nodes(Tasks):
    """Tasks on machines that only the host reaches. The sampling script finds nvidia-smi only there."""

    async def locate(self, task_id: str, node: int) -> TaskNode:
        found = await super().locate(task_id, 0)
        return replace(found, machine=f"node{node}", on_machine=lambda script: f"PATH=$HIDDEN:$PATH; {script}")


@pytest.fixture
def smi(tmp_path: Path) -> FakeSmi:
    smi = FakeSmi(tmp_path / "far")
    smi.set_output("titan-x.csv", "titan-x-apps.csv")
    return smi


@pytest.fixture
def sshd(tmp_path: Path, smi: FakeSmi) -> Iterator[Sshd]:
    folder = tmp_path / "sshd"
    server = Sshd(folder, f"SetEnv HOME={folder / 'home'} PATH={smi.bin}:{os.environ['PATH']}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


@pytest.fixture
def metrics(host: SshHost) -> SshMetrics:
    async def machine(allocation_id: str) -> SshHost:
        if allocation_id != "far":
            raise NotFound(f"no machine {allocation_id!r}")
        return host

    return SshMetrics(Tasks(host), machine)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


async def first(metrics: SshMetrics, task_id: str) -> MachineSample:
    async with aclosing(metrics.of_task(task_id)) as samples:
        return await anext(samples)


async def test_a_machine_says_what_it_has_and_a_task_sees_its_part(metrics: SshMetrics) -> None:
    async with aclosing(metrics.of_instance("far")) as samples:
        sample = await anext(samples)
    assert [gpu.utilization_percent for gpu in sample.gpus] == [76, 0, None]
    assert (sample.cpu_count, sample.gpu_problem) == (os.cpu_count(), "")
    assert [gpu.index for gpu in (await first(metrics, "first")).gpus] == [0]
    second = await first(metrics, "second")
    assert ([gpu.index for gpu in second.gpus], [one.pid for one in second.processes]) == ([1, 2], [192453])
    assert len((await first(metrics, "untold")).gpus) == 3


async def test_unknown_tasks_and_machines_are_refused(metrics: SshMetrics) -> None:
    for asked in (metrics.of_task("no-such"), metrics.of_instance("no-such")):
        with pytest.raises(NotFound, match="no-such"):
            await anext(asked)


async def test_all_readers_of_a_host_share_one_channel_which_ends_with_the_last_reader(
    metrics: SshMetrics, smi: FakeSmi
) -> None:
    async with aclosing(metrics.of_task("first")) as one, aclosing(metrics.of_task("second")) as two:
        await anext(one)
        await anext(two)
        async with aclosing(metrics.of_instance("far")) as three:
            await anext(three)
            await one.aclose()
        await anext(two)
        (channel,) = smi.callers
        assert is_alive(channel)
    async with asyncio.timeout(DEADLINE_S):
        while is_alive(channel):
            await asyncio.sleep(0.01)


async def test_machines_behind_a_host_are_measured_there_one_by_one(tmp_path: Path, smi: FakeSmi) -> None:
    server = Sshd(tmp_path / "login", f"SetEnv HIDDEN={smi.bin}")
    server.start()
    async with await SshHost.find("far", config=server.config()) as login:
        metrics = SshMetrics(Nodes(login), login.find)
        async with (
            aclosing(metrics.of_task("first", node=1)) as one,
            aclosing(metrics.of_task("second", node=1)) as same,
            aclosing(metrics.of_task("first", node=2)) as other,
        ):
            counts = [len((await anext(samples)).gpus) for samples in (one, same, other)]
            assert (counts, len(smi.callers)) == ([1, 2, 1], 2)
    server.stop()


async def test_metrics_of_a_task_end_with_it(metrics: SshMetrics) -> None:
    tasks = metrics._locator
    assert isinstance(tasks, Tasks)
    async with aclosing(metrics.of_task("first")) as samples:
        await anext(samples)
        tasks.over.add("first")
        async with asyncio.timeout(DEADLINE_S):
            assert len([sample async for sample in samples]) <= 1


async def test_a_killed_server_is_an_error_and_the_next_read_reaches_the_new_server(
    metrics: SshMetrics, sshd: Sshd
) -> None:
    async with aclosing(metrics.of_instance("far")) as samples:
        await anext(samples)
        sshd.stop()
        with pytest.raises(Unreachable):
            async for _ in samples:
                pass
    sshd.start()
    async with aclosing(metrics.of_instance("far")) as samples:
        assert (await anext(samples)).gpus
