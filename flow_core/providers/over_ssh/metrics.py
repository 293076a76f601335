"""The load of machines reached by SSH, and of the GPUs that a task has on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.metrics.broadcast import SampleBroadcast
from flow_core.metrics.stream import build_sampling_script, read_samples
from flow_core.metrics.visible_gpus import select_visible_gpus
from flow_core.models.metrics import MachineSample

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import Host, TaskLocator, TaskNode

_COMMAND_S = 20.0
_ATTEMPTS = 24
_POLL_S = 0.5
_UNSET = "untold"


@dataclass(frozen=True, slots=True)
class _SampledMachine:
    """A machine to measure: the host itself, or, if it has a name, a machine that only the host reaches."""

    host: Host
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or self.host.title


class SshMetrics:
    """The load of machines: one channel for each machine, shared by all subscribers and closed with the last one.

    `machines` finds the host of an allocation id from `instances.find`; it raises NotFound.
    """

    def __init__(self, locator: TaskLocator, machines: Callable[[str], Awaitable[Host]]) -> None:
        self._locator = locator
        self._machines = machines
        self._broadcasts: dict[_SampledMachine, SampleBroadcast] = {}

    async def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        task_node = await self._locator.locate(task_id, node)
        visible = await _find_visible_devices(task_node)
        try:
            machine, script = _SampledMachine(task_node.host, task_node.machine), build_sampling_script()
            line = script if task_node.on_machine is None else task_node.on_machine(script)
            async with aclosing(self._subscribe(machine, line)) as samples:
                async for sample in samples:
                    yield select_visible_gpus(sample, visible)
                    if await self._locator.is_over(task_id):
                        return
        except Unreachable:
            if not await self._ends_soon(task_id):
                raise

    async def _ends_soon(self, task_id: str) -> bool:
        """Returns whether the task has ended too, if its machine was lost; that may become known a little later."""
        for _ in range(_ATTEMPTS):
            if await self._locator.is_over(task_id):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        machine = _SampledMachine(await self._machines(allocation_id))
        async with aclosing(self._subscribe(machine, build_sampling_script())) as samples:
            async for sample in samples:
                yield sample

    async def _subscribe(self, machine: _SampledMachine, line: str) -> AsyncGenerator[MachineSample, None]:
        broadcast = self._broadcasts.setdefault(machine, SampleBroadcast(partial(_sample, machine, line)))
        try:
            async with aclosing(broadcast.subscribe()) as samples:
                async for sample in samples:
                    yield sample
        finally:
            if broadcast.is_idle and self._broadcasts.get(machine) is broadcast:
                del self._broadcasts[machine]


async def _sample(machine: _SampledMachine, line: str) -> AsyncGenerator[MachineSample, None]:
    async with (
        machine.host.start(line) as running,
        aclosing(read_samples(running.read, machine.title)) as samples,
    ):
        async for sample in samples:
            yield sample


async def _find_visible_devices(task_node: TaskNode) -> str | None:
    """Returns CUDA_VISIBLE_DEVICES of the node; None if the task may use every GPU."""
    line = task_node.enter(f'printf %s "${{CUDA_VISIBLE_DEVICES-{_UNSET}}}"')
    result = await task_node.host.run(line, timeout_s=_COMMAND_S)
    output = result.stdout.decode("utf-8", "replace").strip()
    return None if result.exit_code or output == _UNSET else output
