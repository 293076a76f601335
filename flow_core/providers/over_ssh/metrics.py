"""How busy machines reached by SSH are, and the GPUs that a task has of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.metrics.broadcast import SampleBroadcast
from flow_core.metrics.stream import read_samples, sampling_script
from flow_core.metrics.visible_gpus import select_visible_gpus
from flow_core.models.metrics import MachineSample

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import TaskLocator, TaskNode
    from flow_core.ssh.host import SshHost

_ASK_S = 20.0
_LOOKS = 8
_POLL_S = 0.5
_UNTOLD = "untold"


class SshMetrics:
    """One channel a host, shared by all who look at it and closed when the last one leaves.

    `machines` finds the host of an allocation id that `instances.find` gave out; it raises NotFound.
    """

    def __init__(self, locator: TaskLocator, machines: Callable[[str], Awaitable[SshHost]]) -> None:
        self._locator = locator
        self._machines = machines
        self._shared: dict[SshHost, SampleBroadcast] = {}

    async def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        task_node = await self._locator.locate(task_id, node)
        visible = await _visible(task_node)
        try:
            async with aclosing(self._look(task_node.host)) as samples:
                async for sample in samples:
                    yield select_visible_gpus(sample, visible)
                    if await self._locator.is_over(task_id):
                        return
        except Unreachable:
            if not await self._ends_soon(task_id):
                raise

    async def _ends_soon(self, task_id: str) -> bool:
        """Whether a machine was lost because it goes with its task; that may become known a little later."""
        for _ in range(_LOOKS):
            if await self._locator.is_over(task_id):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        async with aclosing(self._look(await self._machines(allocation_id))) as samples:
            async for sample in samples:
                yield sample

    async def _look(self, host: SshHost) -> AsyncGenerator[MachineSample, None]:
        shared = self._shared.setdefault(host, SampleBroadcast(partial(_samples, host)))
        try:
            async with aclosing(shared.subscribe()) as samples:
                async for sample in samples:
                    yield sample
        finally:
            if shared.is_idle and self._shared.get(host) is shared:
                del self._shared[host]


async def _samples(host: SshHost) -> AsyncGenerator[MachineSample, None]:
    async with (
        host.start(sampling_script()) as running,
        aclosing(read_samples(running.read, repr(host.settings.alias))) as samples,
    ):
        async for sample in samples:
            yield sample


async def _visible(task_node: TaskNode) -> str | None:
    """As the task was told: None where it was told nothing, and so may use every GPU."""
    line = task_node.enter(f'printf %s "${{CUDA_VISIBLE_DEVICES-{_UNTOLD}}}"')
    outcome = await task_node.host.run(line, timeout_s=_ASK_S)
    said = outcome.stdout.decode("utf-8", "replace").strip()
    return None if outcome.exit_code or said == _UNTOLD else said
