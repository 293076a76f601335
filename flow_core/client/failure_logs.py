"""Brings the logs of a failed task to this machine and finds the cause of the failure in them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.failure_report import FailureReport
from flow_core.logs.failure_search import find_failure_cause

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.log_id import LogId
    from flow_core.models.task import TaskRecord
    from flow_core.providers.contract.resources import LogFacet

_ARRIVAL_S = 10.0
_AT_ONCE = 16
_MOST_LOGS = 256


async def report_failure(
    logs: LogFacet, task: TaskRecord, attempt: int | None, arrival_s: float = _ARRIVAL_S
) -> FailureReport:
    """Finds the cause in the logs of the newest attempt, or of another one. Reads the first 256 ranks.

    `arrival_s` is how long the logs may take to arrive, all together.

    Raises NotFound, ProviderError.
    """
    addresses = await logs.addresses(task.task_id)
    wanted = max((log.attempt for log in addresses), default=0) if attempt is None else attempt
    own = [log for log in addresses if log.attempt == wanted]
    opened, whole = await _fetch_logs(logs, own[:_MOST_LOGS], arrival_s)
    report = await find_failure_cause(opened, task.completed_at or datetime.now(UTC))
    return replace(report, not_read=tuple(log for log in own if log not in whole))


async def _fetch_logs(
    logs: LogFacet, addresses: list[LogId], arrival_s: float
) -> tuple[dict[LogId, SpoolFiles], set[LogId]]:
    """Returns the files that have any output when the time is over, and the logs that arrived completely by then."""
    opened: dict[LogId, SpoolFiles] = {}
    whole: set[LogId] = set()
    limit = asyncio.Semaphore(_AT_ONCE)

    async def fetch(log: LogId) -> None:
        async with limit:
            with suppress(FlowError):  # the report names the log as not read
                opened[log] = await logs.open(log)
                await logs.catch_up(log)
                whole.add(log)

    fetches = [asyncio.create_task(fetch(log)) for log in addresses]
    try:
        if fetches:
            await asyncio.wait(fetches, timeout=arrival_s)
    finally:
        for one in fetches:
            one.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
    written = await asyncio.to_thread(lambda: {log for log, files in opened.items() if _get_size(files)})
    return {log: opened[log] for log in addresses if log in written}, whole


def _get_size(files: SpoolFiles) -> int:
    try:
        return files.log.stat().st_size
    except OSError:
        return 0
