"""The machines of a task that runs on several, and the address at which its ranks connect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flow_core.errors import CapacityError, Conflict
from flow_core.providers.hosts.placement import Candidate

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_PORTS = (20000, 32000)  # below the ports that systems choose automatically
_T = TypeVar("_T")


def choose_machines(config: TaskConfig, ranked: Sequence[Candidate]) -> list[Candidate]:
    """Returns as many machines as the task has ranks, best first.

    Raises CapacityError, and Conflict if a machine is listed with two names.
    """
    ranks = config.num_instances
    if ranks == 1:
        return [ranked[0]]
    chosen: dict[tuple[str, str], Candidate] = {}
    for candidate in ranked:
        if (other := chosen.setdefault(candidate.agent.identity, candidate)) is not candidate and len(ranked) <= ranks:
            raise Conflict(f"{candidate.agent.name!r} is {other.agent.name!r} by another name; list each machine once")
    if len(chosen) < ranks:
        instance_type = ranked[0].instance_type
        raise CapacityError(f"{ranks} machines with {instance_type} can't be had here; {len(chosen)} have it")
    return list(chosen.values())[:ranks]


async def plan_rendezvous(chosen: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Returns the part of the request for each machine, with the address of rank 0. Empty for a single machine."""
    if len(chosen) == 1:
        return [{}]
    head = (await chosen[0].agent.ssh()).settings.hostname
    port = random.randrange(*_PORTS)
    ranks = len(chosen)
    return [{"part": {"rank": rank, "ranks": ranks, "head": head, "port": port}} for rank in range(ranks)]


async def gather_all(steps: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """Runs all steps to their end, even if one fails; then raises the first error."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
