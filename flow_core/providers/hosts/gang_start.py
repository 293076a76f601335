"""Starts tasks on several machines: once it is the turn of every part, each takes its GPUs, and then all start.

Parts are asked in the order of their machines, which is the same for every client and every task. So of two tasks that
want the same machines one has them all, whatever happens to its client. Where a client was killed between two starts,
the parts that wait go before those of all other tasks, for these may wait for what the others of it hold.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError

if TYPE_CHECKING:
    from flow_core.agent.task_report import TaskReport
    from flow_core.providers.hosts.host_state import HostState

HOLD_S = 20.0
_ON_ITS_WAY = ("pending", "running", "completed")
_TAKE_S = 14.0  # what is left of the hold is for starting all of them
_CALL_S = 12.0
_TEND_S = 10.0
_LEAVE_S = 5.0


class JointStarts:
    """`where` returns the machines that have reported a task, by part. At most one start of a task runs at a time."""

    def __init__(self, where: Callable[[str], Sequence[HostState]]) -> None:
        self._where = where
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._tended: dict[str, tuple[float, int]] = {}
        self._tending: set[asyncio.Task[None]] = set()

    def see_to(self, task_ids: Iterable[str]) -> None:
        """Begins what can begin now, and returns at once."""
        for task_id in task_ids:
            views = self._where(task_id)
            waiting = _waiting([(view, view.reports[task_id]) for view in views])
            if waiting is None:
                self._tended.pop(task_id, None)
                continue
            self._tend(task_id, waiting, has_begun=len(waiting) < len(views))
            if task_id not in self._under_way and all(view.reports[task_id].is_ready for view in waiting):
                start = asyncio.create_task(_start(task_id, waiting))
                self._under_way[task_id] = start
                start.add_done_callback(partial(self._forget, task_id))

    def _forget(self, task_id: str, _: asyncio.Task[None]) -> None:
        self._under_way.pop(task_id, None)

    async def close(self) -> None:
        """Whoever is half-way may finish; else what was taken and not started is given back by the machines."""
        starts = list(self._under_way.values())
        if starts:
            await asyncio.wait(starts, timeout=_LEAVE_S)
        for left in (*starts, *self._tending):
            left.cancel()
        await asyncio.gather(*starts, *self._tending, return_exceptions=True)

    def _tend(self, task_id: str, waiting: Sequence[HostState], *, has_begun: bool) -> None:
        """Has the machines know now and then that a client is there for this task."""
        now, waits = time.monotonic(), len(waiting)
        at, waited = self._tended.get(task_id, (-_TEND_S, 0))
        if now - at < _TEND_S and waited == waits:
            return
        self._tended[task_id] = now, waits
        for view in waiting:
            question = asyncio.create_task(_try(view, "tend_part", task_id=task_id, has_begun=has_begun))
            self._tending.add(question)
            question.add_done_callback(self._tending.discard)


async def _start(task_id: str, in_order: Sequence[HostState]) -> None:
    by = secrets.token_hex(8)
    try:
        async with asyncio.timeout(HOLD_S):
            async with asyncio.timeout(_TAKE_S):
                is_started = await _take_all(in_order, task_id, by)
            if is_started:
                for view in in_order:  # one after the other: what starts first is what every other task wants first
                    await view.agent.call("start_part", _CALL_S, task_id=task_id, by=by)
    except (FlowError, TimeoutError):
        is_started = False
    if not is_started:
        await asyncio.gather(*(_try(view, "give_part_back", task_id=task_id, by=by) for view in in_order))
        return
    for view in in_order:
        with suppress(FlowError):  # the next poll sees it
            await view.look_at(task_id)


def _waiting(parts: Sequence[tuple[HostState, TaskReport]]) -> list[HostState] | None:
    """The machines whose parts have yet to start, in the order in which every client asks them.

    None where not all parts are known, a machine doesn't answer, a part has ended badly, or none waits.
    """
    if len(parts) < 2 or len(parts) != parts[0][1].parts:
        return None
    if any(view.is_silent or report.is_broken or report.status not in _ON_ITS_WAY for view, report in parts):
        return None
    waiting = [view for view, report in parts if report.status == "pending"]
    return sorted(waiting, key=lambda view: view.agent.identity) or None


async def _take_all(views: Sequence[HostState], task_id: str, by: str) -> bool:
    for view in views:
        if not await view.agent.call("take_part", _CALL_S, task_id=task_id, by=by, hold_s=HOLD_S):
            return False
    return True


async def _try(view: HostState, call: str, /, **arguments: Any) -> None:
    with suppress(FlowError):  # the machine gives back by itself when the time is up, and is tended again
        await view.agent.call(call, _CALL_S, **arguments)
