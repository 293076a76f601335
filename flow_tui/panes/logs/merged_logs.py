"""Opens the logs of all ranks of a task, to show them as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.merged.clock_offset import LogClock
from flow_core.logs.merged.ranks import sort_log_ids
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.models.task import TaskRecord

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow
    from flow_core.logs.follow import IsComplete
    from flow_core.logs.log_id import LogId

MOST_LOGS = 256
_CLOCK_S = 2.0
_NOTABLE_S = 0.05


async def open_ranks(flow: AsyncFlow, task: TaskRecord, attempt: int) -> tuple[list[MergedSource], IsComplete]:
    """Opens the logs of one attempt, the failing rank first. Returns them, and whether all of them are complete.

    Opens at most `MOST_LOGS`. Waits at most 2 s for the clocks of their machines. Raises FlowError.
    """
    log_ids = [log_id for log_id in await flow.log_addresses(task.task_id) if log_id.attempt == attempt]
    if len(log_ids) < 2:
        raise FlowError(f"{task.name} has {'one log only' if log_ids else 'no log yet'}")
    chosen = sort_log_ids(log_ids, task)[:MOST_LOGS]
    sources = await asyncio.gather(*(_open(flow, task, log_id) for log_id in chosen))

    async def are_complete() -> bool:
        return all(await asyncio.gather(*(flow.is_log_complete(log_id) for log_id in chosen)))

    return sources, are_complete


def describe_clocks(sources: Sequence[MergedSource]) -> str:
    """Describes the clocks that differ from this machine's by more than 50 ms; "" without one."""
    clocks = [(source.label, source.clock) for source in sources if source.clock is not None]
    texts = [
        f"{label} {clock.offset_s:+.2f} s (± {clock.uncertainty_s:.2f})"
        for label, clock in clocks
        if abs(clock.offset_s) > max(_NOTABLE_S, clock.uncertainty_s)
    ]
    return f"clocks, corrected in the times: {', '.join(texts)}" if texts else ""


async def _open(flow: AsyncFlow, task: TaskRecord, log_id: LogId) -> MergedSource:
    files, clock = await asyncio.gather(flow.open_log(log_id), _read_clock(flow, log_id))
    label = f"{'element' if task.elements else 'rank'} {log_id.rank}"
    return MergedSource(label, ShownLog(files), has_writer_times=clock.has_writer_times, clock=clock.offset)


async def _read_clock(flow: AsyncFlow, log_id: LogId) -> LogClock:
    """Returns the clock of a log; without an answer, its times count as arrivals."""
    try:
        async with asyncio.timeout(_CLOCK_S):
            return await flow.log_clock(log_id)
    except (FlowError, TimeoutError):
        return LogClock(False, None)
