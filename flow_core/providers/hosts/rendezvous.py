"""The machines of a task on several of them, and the address at which its ranks meet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flow_core.errors import CapacityError, Conflict
from flow_core.providers.hosts.placement import Candidate

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_PORTS = (20000, 32000)  # below those that systems give away by themselves
_T = TypeVar("_T")


def choose_machines(config: TaskConfig, found: Sequence[Candidate]) -> list[Candidate]:
    """As many machines as the task has ranks, best first. Raises CapacityError; Conflict for one by two names."""
    ranks = config.num_instances
    if ranks == 1:
        return [found[0]]
    chosen: dict[tuple[str, str], Candidate] = {}
    for candidate in found:
        if (other := chosen.setdefault(candidate.agent.identity, candidate)) is not candidate and len(found) <= ranks:
            raise Conflict(f"{candidate.agent.name!r} is {other.agent.name!r} by another name; list each machine once")
    if len(chosen) < ranks:
        what = found[0].instance_type
        raise CapacityError(f"{ranks} machines with {what} can't be had here; {len(chosen)} have it")
    return list(chosen.values())[:ranks]


async def plan_rendezvous(chosen: Sequence[Candidate]) -> list[dict[str, Any]]:
    """What each machine is told of its part; nothing where there is one. All know how the first one is reached."""
    if len(chosen) == 1:
        return [{}]
    head = (await chosen[0].agent.ssh()).settings.hostname
    port = random.randrange(*_PORTS)
    ranks = len(chosen)
    return [{"part": {"rank": rank, "ranks": ranks, "head": head, "port": port}} for rank in range(ranks)]


async def gather_all(steps: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """All of them, also when one fails; then raises why."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
