"""A task on several machines: which they are, where they meet, and that all of them start or none."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from flow_core.errors import CapacityError, Conflict
from flow_core.providers.hosts.answers import Answer
from flow_core.providers.hosts.placement import Seat
from flow_core.providers.hosts.plan import Node
from flow_core.providers.hosts.told import tasks_told

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_READY_S = 20.0
_PORTS = (20000, 32000)  # below those that systems give away by themselves
_T = TypeVar("_T")


def enough(config: TaskConfig, found: Sequence[Seat]) -> list[Seat]:
    """As many machines as ranks; several of them only where all can start at once. Raises CapacityError."""
    ranks = config.num_instances
    if ranks == 1:
        return [found[0]]
    what = found[0].instance_type
    if len(found) < ranks:
        raise CapacityError(f"{ranks} machines with {what} can't be had here; {len(found)} have it")
    free = [seat for seat in found if seat.starts_at_once]
    if len(free) < ranks:
        raise CapacityError(
            f"{what} is free on {len(free)} machines now, and the task wants {ranks}; one on several machines doesn't"
            " wait in line, so submit it again later"
        )
    return free[:ranks]


async def meet(chosen: Sequence[Seat]) -> list[Node]:
    """The ranks, in the order of the machines; all are told how the first one is reached."""
    if len(chosen) == 1:
        return [Node()]
    head = (await chosen[0].far.ssh()).settings.hostname
    port = random.randrange(*_PORTS)
    return [Node(rank, len(chosen), head, port) for rank in range(len(chosen))]


async def together(steps: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """All of them, also when one fails; then raises why."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def start_together(chosen: Sequence[Seat], task_id: str) -> list[Answer]:
    """Lets them go once each has its GPUs. Raises CapacityError, Conflict."""
    await together(_ready(seat, rank, task_id) for rank, seat in enumerate(chosen))
    await together(seat.far.ask("go", task_id) for seat in chosen)
    return await together(seat.far.ask("tell_one", task_id) for seat in chosen)


async def _ready(seat: Seat, rank: int, task_id: str) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        told = tasks_told(await seat.far.ask("tell_one", task_id)).get(task_id)
        if told is not None and told.rank != rank:
            raise Conflict(f"{seat.far.name!r} is one of the other machines, by another name; list it once")
        if told is not None and told.word == "ready":
            return
        if told is None or told.is_final or time.monotonic() > deadline:
            why = told.message if told is not None else ""
            raise CapacityError(f"{seat.far.name!r} could not take its part: {why or 'it was not ready in time'}")
        await asyncio.sleep(0.1)
