"""The identity of a log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogId:
    """One log of a task. Attempts and ranks count from 0. Both streams share the log; the sidecar separates them."""

    context: str
    task_id: str
    attempt: int = 0
    rank: int = 0
