"""Starts tasks on several machines: once every part is first in its queue, each takes its GPUs, and then all start.

All clients call the parts of all tasks in the same order of the machines. So of two tasks that need the same machines,
one gets them all, whatever happens to its client. If a client was killed between two starts, the waiting parts of its
task go before those of all other tasks, because the other tasks may wait for the GPUs that the started parts hold.
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
_GOOD_STATUSES = ("pending", "running", "completed")
_TAKE_S = 14.0  # the rest of the hold is for starting the parts
_CALL_S = 12.0
_REPORT_S = 10.0
_LEAVE_S = 5.0


class GangStarts:
    """The starts of tasks on several machines, at most one at a time for each task.

    `find_hosts` returns the machines that have reported a task, by part.
    """

    def __init__(self, find_hosts: Callable[[str], Sequence[HostState]]) -> None:
        self._find_hosts = find_hosts
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._reported: dict[str, tuple[float, int]] = {}
        self._reports: set[asyncio.Task[None]] = set()

    def start_ready_tasks(self, task_ids: Iterable[str]) -> None:
        """Starts the tasks that can start now, in the background."""
        for task_id in task_ids:
            hosts = self._find_hosts(task_id)
            waiting = _find_waiting([(host, host.reports[task_id]) for host in hosts])
            if waiting is None:
                self._reported.pop(task_id, None)
                continue
            self._report_client(task_id, waiting, has_begun=len(waiting) < len(hosts))
            if task_id not in self._starts and all(host.reports[task_id].is_ready for host in waiting):
                start = asyncio.create_task(_start_parts(task_id, waiting))
                self._starts[task_id] = start
                start.add_done_callback(partial(self._forget, task_id))

    def _forget(self, task_id: str, _: asyncio.Task[None]) -> None:
        self._starts.pop(task_id, None)

    async def close(self) -> None:
        """Waits up to 5 s for starts in progress, then cancels them.

        The machines release GPUs that were taken and not started.
        """
        starts = list(self._starts.values())
        if starts:
            await asyncio.wait(starts, timeout=_LEAVE_S)
        for task in (*starts, *self._reports):
            task.cancel()
        await asyncio.gather(*starts, *self._reports, return_exceptions=True)

    def _report_client(self, task_id: str, waiting: Sequence[HostState], *, has_begun: bool) -> None:
        """Tells the machines, every 10 s, that a client is running for this task."""
        now, count = time.monotonic(), len(waiting)
        reported_at, reported_count = self._reported.get(task_id, (-_REPORT_S, 0))
        if now - reported_at < _REPORT_S and reported_count == count:
            return
        self._reported[task_id] = now, count
        for host in waiting:
            report = asyncio.create_task(_call_ignoring_errors(host, "tend_part", task_id=task_id, has_begun=has_begun))
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)


async def _start_parts(task_id: str, hosts: Sequence[HostState]) -> None:
    """Takes the GPUs of all parts, then starts them. Gives the GPUs back if that fails."""
    taker = secrets.token_hex(8)
    try:
        async with asyncio.timeout(HOLD_S):
            async with asyncio.timeout(_TAKE_S):
                is_started = await _take_all_parts(hosts, task_id, taker)
            if is_started:
                for host in hosts:  # in order: every other task takes the first machine first
                    await host.agent.call("start_part", _CALL_S, task_id=task_id, by=taker)
    except (FlowError, TimeoutError):
        is_started = False
    if not is_started:
        arguments = {"task_id": task_id, "by": taker}
        await asyncio.gather(*(_call_ignoring_errors(host, "give_part_back", **arguments) for host in hosts))
        return
    for host in hosts:
        with suppress(FlowError):  # the next poll reads it
            await host.fetch_task(task_id)


def _find_waiting(parts: Sequence[tuple[HostState, TaskReport]]) -> list[HostState] | None:
    """Returns the machines whose parts have yet to start, in the order in which every client calls them.

    None if a part is unknown, a machine doesn't respond, a part has failed, or none waits.
    """
    if len(parts) < 2 or len(parts) != parts[0][1].parts:
        return None
    if any(host.is_silent or report.is_broken or report.status not in _GOOD_STATUSES for host, report in parts):
        return None
    waiting = [host for host, report in parts if report.status == "pending"]
    return sorted(waiting, key=lambda host: host.agent.identity) or None


async def _take_all_parts(hosts: Sequence[HostState], task_id: str, taker: str) -> bool:
    """Returns whether the GPUs of every part could be taken."""
    for host in hosts:
        if not await host.agent.call("take_part", _CALL_S, task_id=task_id, by=taker, hold_s=HOLD_S):
            return False
    return True


async def _call_ignoring_errors(host: HostState, call: str, /, **arguments: Any) -> None:
    """Calls the agent; ignores errors."""
    with suppress(FlowError):  # the hold expires by itself, and the report is repeated
        await host.agent.call(call, _CALL_S, **arguments)
