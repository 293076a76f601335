"""Opens the logs of all ranks of tasks, to show them as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
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
    from flow_tui.services import Services

MOST_LOGS = 256
_CLOCK_S = 2.0
_NOTABLE_S = 0.05


@dataclass(frozen=True, slots=True)
class MergedAttempt:
    """An attempt of a task whose logs are merged. None is the newest attempt that has a log."""

    task: TaskRecord
    attempt: int | None


@dataclass(frozen=True, slots=True)
class OpenedLogs:
    """The sources of merged logs, in the order of their attempts, and whether all logs are complete."""

    sources: list[MergedSource]
    is_complete: IsComplete


async def open_attempts(services: Services, attempts: Sequence[MergedAttempt]) -> OpenedLogs:
    """Opens the logs of these attempts; of each, the failing rank comes first. Their labels name what differs.

    Opens at most `MOST_LOGS`. Waits at most 2 s for the clocks of their machines. Raises FlowError.
    """
    every: list[tuple[AsyncFlow, LogId, str]] = []
    for one in attempts:
        flow = services.fleet.flow(one.task.context)
        log_ids = await _list_logs(flow, one)
        every += [(flow, log_id, _make_label(one.task, log_id, len(attempts), len(log_ids))) for log_id in log_ids]
    if len(every) < 2:
        raise FlowError(f"{attempts[0].task.name} has {'one log only' if every else 'no log yet'}")
    chosen = every[:MOST_LOGS]
    sources = await asyncio.gather(*(_open(*one) for one in chosen))

    async def are_complete() -> bool:
        return all(await asyncio.gather(*(flow.is_log_complete(log_id) for flow, log_id, _ in chosen)))

    return OpenedLogs(sources, are_complete)


def describe_clocks(sources: Sequence[MergedSource]) -> str:
    """Describes the clocks that differ from this machine's by more than 50 ms; "" without one."""
    clocks = [(source.label, source.clock) for source in sources if source.clock is not None]
    texts = [
        f"{label} {clock.offset_s:+.2f} s (± {clock.uncertainty_s:.2f})"
        for label, clock in clocks
        if abs(clock.offset_s) > max(_NOTABLE_S, clock.uncertainty_s)
    ]
    return f"the times are corrected for these clocks: {', '.join(texts)}" if texts else ""


async def _list_logs(flow: AsyncFlow, chosen: MergedAttempt) -> list[LogId]:
    log_ids = await flow.log_addresses(chosen.task.task_id)
    newest = log_ids[-1].attempt if log_ids else 0
    attempt = newest if chosen.attempt is None else chosen.attempt
    return sort_log_ids((log_id for log_id in log_ids if log_id.attempt == attempt), chosen.task)


def _make_label(task: TaskRecord, log_id: LogId, tasks: int, logs: int) -> str:
    """Returns the label of a log: the name of the task if there are several, and the rank if the task has several."""
    rank = f"{'element' if task.elements else 'rank'} {log_id.rank}"
    return rank if tasks == 1 else task.name if logs == 1 else f"{task.name} {rank}"


async def _open(flow: AsyncFlow, log_id: LogId, label: str) -> MergedSource:
    files, clock = await asyncio.gather(flow.open_log(log_id), _read_clock(flow, log_id))
    return MergedSource(label, ShownLog(files), has_writer_times=clock.has_writer_times, clock=clock.offset)


async def _read_clock(flow: AsyncFlow, log_id: LogId) -> LogClock:
    """Returns the clock of a log; without an answer, its times count as arrivals."""
    try:
        async with asyncio.timeout(_CLOCK_S):
            return await flow.log_clock(log_id)
    except (FlowError, TimeoutError):
        return LogClock(False, None)
