"""The load of this machine, and of the GPUs that a task has."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial

from flow_core.agent.refusals import Refused
from flow_core.agent.spec import GpuPlan
from flow_core.agent.supervisor.rank_environment import select_rank_gpus
from flow_core.agent.task_exec import BROKEN_NOT_ENTERED, NODE_ENDED, NOT_RUNNING, find_enterable
from flow_core.agent.tasks import NO_TASK, TaskStore
from flow_core.errors import NotFound, Unreachable, printable
from flow_core.metrics.broadcast import SampleBroadcast
from flow_core.metrics.stream import build_sampling_script, read_samples
from flow_core.metrics.visible_gpus import select_visible_gpus
from flow_core.models.metrics import MachineSample
from flow_core.providers.local.capacity.instances import LocalInstances
from flow_core.providers.over_agent.in_process_agent import call_agent

_PIECE = 1 << 16
_END_S = 2.0
_OVER = frozenset({NO_TASK, BROKEN_NOT_ENTERED, NOT_RUNNING, NODE_ENDED})


class LocalMetrics:
    """Samples of this machine, taken once for all subscribers."""

    def __init__(self, tasks: TaskStore, instances: LocalInstances) -> None:
        self._tasks = tasks
        self._instances = instances
        self._broadcast = SampleBroadcast(_sample_machine)

    async def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        visible = await call_agent(self._find_visible_devices, task_id, node)
        async with aclosing(self._broadcast.subscribe()) as samples:
            async for sample in samples:
                yield select_visible_gpus(sample, visible)
                if not await call_agent(self._is_running, task_id, node):
                    return

    async def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        if allocation_id not in {offer.allocation_id for offer in await self._instances.find({})}:
            raise NotFound(f"nothing here is called {printable(allocation_id)}; find_instances lists what is")
        async with aclosing(self._broadcast.subscribe()) as samples:
            async for sample in samples:
                yield sample

    def _find_visible_devices(self, task_id: str, node: int) -> str | None:
        """Returns CUDA_VISIBLE_DEVICES of the node; None if the task may use every GPU."""
        task = self._tasks.get(task_id)
        state, spec = find_enterable(task, node), task.spec
        gpus = GpuPlan() if spec is None else spec.gpus
        gpu_ids = select_rank_gpus(state.gpus, node, task.report.ranks)
        return ",".join(gpus.visible[gpu_id] for gpu_id in gpu_ids) if gpu_ids or gpus.hide else None

    def _is_running(self, task_id: str, node: int) -> bool:
        try:
            find_enterable(self._tasks.get(task_id), node)
        except Refused as refused:
            if refused.code not in _OVER:
                raise
            return False
        return True


async def _sample_machine() -> AsyncGenerator[MachineSample, None]:
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", build_sampling_script(), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise Unreachable(f"this machine can't be measured: {error.strerror}") from error
    assert process.stdout is not None
    try:
        async with aclosing(read_samples(partial(process.stdout.read, _PIECE), "this machine")) as samples:
            async for sample in samples:
                yield sample
    finally:
        await _kill(process)


async def _kill(process: Process) -> None:
    """Kills the process group; a process stuck in a driver call may survive."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await process.wait()
