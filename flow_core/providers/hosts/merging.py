"""One record of a task that runs on several machines, from what each of them tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flow_core.models.task import TaskRecord, TaskStatus


def merged(parts: Sequence[TaskRecord]) -> TaskRecord:
    """`parts` are its ranks in order; one of a machine that never answered may be missing."""
    first = parts[0]
    if first.num_instances == 1:
        return first
    is_over = len(parts) == first.num_instances and all(part.is_terminal for part in parts)
    culprit = next((part for part in parts if part.status is TaskStatus.FAILED), None)
    starts = [part.started_at for part in parts if part.started_at is not None]
    ends = [part.completed_at for part in parts if part.completed_at is not None]
    return replace(
        first,
        status=_status(parts, culprit, is_over),
        started_at=min(starts) if len(starts) == len(parts) else None,
        completed_at=max(ends) if is_over and ends else None,
        exit_code=(culprit or first).exit_code if is_over else None,
        message=_message(parts, culprit, is_over),
        instances=tuple(name for part in parts for name in part.instances),
        provider_metadata={
            **first.provider_metadata,
            "hosts": tuple(part.provider_metadata["host"] for part in parts),
            "pids": tuple(part.provider_metadata["pid"] for part in parts),
        },
    )


def _status(parts: Sequence[TaskRecord], culprit: TaskRecord | None, is_over: bool) -> TaskStatus:
    if not is_over:
        is_begun = any(part.started_at is not None for part in parts)
        return TaskStatus.RUNNING if is_begun else TaskStatus.PENDING
    if culprit is not None:
        return TaskStatus.FAILED
    is_cancelled = any(part.status is TaskStatus.CANCELLED for part in parts)
    return TaskStatus.CANCELLED if is_cancelled else TaskStatus.COMPLETED


def _message(parts: Sequence[TaskRecord], culprit: TaskRecord | None, is_over: bool) -> str:
    if culprit is None:
        return next((part.message for part in parts if part.message), "")
    rank, host = culprit.provider_metadata["rank"], culprit.provider_metadata["host"]
    how = f"failed: {culprit.message}" if culprit.message else f"exited with {culprit.exit_code}"
    return f"rank {rank} on {host} {how}; the others {'were' if is_over else 'are being'} stopped"
