"""What a scheduler reports before a task is submitted, and the signals that can be sent to a running one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT")
"""The signals that `SchedulingFacet.signal` takes."""


@dataclass(frozen=True, slots=True)
class StartEstimate:
    """The expected start of a task that was not submitted: an aware UTC datetime, which may be in the past.

    `nodes` are the names of the machines that it would get, and `region` is where they are. Both may be empty.
    """

    starts_at: datetime
    nodes: tuple[str, ...] = ()
    region: str = ""


@dataclass(frozen=True, slots=True)
class ScriptSummary:
    """What a batch script requests: labels with their values, and one sentence for each request that can't be met."""

    lines: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()
