"""How a log is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogId:
    """One log: attempts count from 0, ranks from 0. Both streams share it; the sidecar tells them apart."""

    context: str
    task_id: str
    attempt: int = 0
    rank: int = 0
