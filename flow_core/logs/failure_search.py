"""Finds the cause of a failed run in files, with a child process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.child_process import iter_messages
from flow_core.logs.failure_report import FailureCause, FailureReport
from flow_core.logs.log_id import LogId

_WORKER = "flow_core.logs.analysis.first_cause_worker"
_TIMEOUT_S = 20.0
"""The worker reads at most 64 MiB, which takes about 3 s."""


async def find_failure_cause(logs: Mapping[LogId, SpoolFiles], ended_at: datetime) -> FailureReport:
    """Finds the cause in the logs of one attempt. `ended_at` completes times without a date.

    Takes up to some seconds; cancelling it kills the child process. Raises FlowError.
    """
    by_rank = {log.rank: log for log in logs}
    arguments = [text for log, files in logs.items() for text in (str(log.rank), str(files.log))]
    found: dict[str, Any] = {"cause": None, "is_complete": True}
    if logs:
        messages = iter_messages(_WORKER, str(ended_at.timestamp()), *arguments, stuck_s=_TIMEOUT_S)
        async with aclosing(messages):
            async for message in messages:
                found = message
    cause = found["cause"] and FailureCause(
        found["cause"]["kind"],
        found["cause"]["summary"],
        found["cause"]["rank"],
        by_rank[found["cause"]["log"]],
        found["cause"]["offset"],
        found["cause"]["traceback"],
    )
    return FailureReport(cause, tuple(logs), is_complete=found["is_complete"])
