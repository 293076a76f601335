"""Metrics of cloud tasks, measured on emulated machines with GPUs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from testbed.cloud import Cloud
from testbed.waiting import until

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.task import AsyncTask
from flow_core.models.metrics import MachineSample

pytestmark = pytest.mark.needs("user-namespaces")


@pytest.fixture
async def flow() -> AsyncIterator[AsyncFlow]:
    cloud = Cloud()
    async with AsyncFlow(cloud.context) as flow:
        yield flow
    cloud.close()


async def running(flow: AsyncFlow, command: str, **fields: Any) -> AsyncTask:
    usual = {"command": command, "instance_type": "8xh100", "upload_code": False}
    task = await flow.run(TaskConfig.parse(usual | fields))

    async def runs() -> bool:
        return (await task.refresh()).status == "running"

    await until(runs)
    return task


async def sampled(
    flow: AsyncFlow, task: AsyncTask, holds: Callable[[MachineSample], bool], node: int = 0
) -> MachineSample:
    """The first sample for which it holds."""
    async with aclosing(flow.task_metrics(task.task_id, node=node)) as samples:
        async for sample in samples:
            if holds(sample):
                return sample
    raise AssertionError("the task has ended")


async def test_a_running_task_shows_its_gpus_at_work_and_figures_that_change(flow: AsyncFlow) -> None:
    task = await running(flow, "exec -a python3 sleep 1000")
    first = await sampled(flow, task, lambda sample: bool(sample.processes))
    assert first.has_driver
    assert first.gpu_problem == ""
    assert [(gpu.index, gpu.name, gpu.memory_total_mb) for gpu in first.gpus] == [
        (index, "NVIDIA H100 80GB HBM3", 81559) for index in range(8)
    ]
    assert len({gpu.uuid for gpu in first.gpus}) == 8
    assert {(one.name, one.user) for one in first.processes} == {("python3", "root")}
    assert [one.gpu_uuid for one in first.processes] == [gpu.uuid for gpu in first.gpus]
    later = await sampled(flow, task, lambda now: now.gpus[0].utilization_percent != first.gpus[0].utilization_percent)
    for gpu, power in zip(later.gpus, (gpu.power_w for gpu in first.gpus), strict=True):
        assert gpu.utilization_percent
        assert 0 < gpu.utilization_percent <= 100
        assert gpu.power_w is not None
        assert gpu.power_w != power
        assert gpu.power_w < (gpu.power_limit_w or 0) == 700
        assert 20 < (gpu.temperature_c or 0) < 90
        assert (gpu.ecc_errors, gpu.xid) == (0, None)


async def test_the_gpus_of_a_task_that_only_waits_are_idle(flow: AsyncFlow) -> None:
    task = await running(flow, "sleep 1000", instance_type="2xa100")
    sample = await sampled(flow, task, lambda sample: sample.has_driver)
    assert [(gpu.name, gpu.utilization_percent) for gpu in sample.gpus] == [("NVIDIA A100-SXM4-80GB", 0)] * 2
    assert sample.processes == ()


async def test_a_command_on_the_machine_lists_its_gpus(flow: AsyncFlow) -> None:
    task = await running(flow, "sleep 1000")
    done = await flow.get_remote_operations().run(task.task_id, "nvidia-smi -L")
    assert done.stdout.decode().count("NVIDIA H100 80GB HBM3") == 8
